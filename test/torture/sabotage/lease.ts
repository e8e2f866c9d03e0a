import type { Edit } from "./Sabotages.ts"

/**
 * Shortens the lease, which is no fault: calls outlast it, so that keys change hands all the time. The promise
 * rests on the fence, and not on a lease's length.
 */
export const leaseOf = (milliseconds: number): Edit => ({
  file: "src/layers/calls/leases.ts",
  snippet: "Duration.toMillis(Duration.sum(callDeadline, margin))",
  instead: `Duration.toMillis(callDeadline) * 0 + ${milliseconds}`
})
