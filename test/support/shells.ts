/** Shells that are `sh` somewhere: Debian's and Ubuntu's, and that of Red Hat and macOS. */
export const shells = ["dash", "bash"] as const
export type Shell = (typeof shells)[number]
