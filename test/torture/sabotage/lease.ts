import type { Edit } from "./Sabotages.ts"

/**
 * No fault, but a lease that ends while calls are still at work, so that keys change hands all the time. The
 * promise must not rest on a lease's length, only on the fence.
 */
export const leaseOf = (milliseconds: number): Edit => ({
  file: "src/layers/calls/leases.ts",
  snippet: "Duration.toMillis(Duration.sum(callDeadline, margin))",
  instead: `Duration.toMillis(callDeadline) * 0 + ${milliseconds}`
})
