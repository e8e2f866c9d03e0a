import type { Facts } from "./check/Checker.ts"
import type { Records } from "./check/Records.ts"
import type { History } from "./History.ts"
import { inFlightAfter, mayLinger } from "./HoldUps.ts"
import type { Stage } from "./Stage.ts"

/** Puts together what the checker compares. */
export const factsOf = (
  { counterpart }: Pick<Stage, "counterpart">,
  { begun, events }: History,
  retired: ReadonlySet<string>,
  records: Records
): Facts => ({
  events,
  records,
  begun,
  retired,
  mayLinger,
  inFlight: inFlightAfter,
  repeatsChanges: counterpart.repeatsChanges
})
