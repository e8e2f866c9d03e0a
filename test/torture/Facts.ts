import type { Facts } from "./check/Checker.ts"
import type { Records } from "./check/Records.ts"
import type { History } from "./History.ts"
import type { Stage } from "./Stage.ts"

/** Puts together what the checker compares. */
export const factsOf = (
  { counterpart, holdUps }: Pick<Stage, "counterpart" | "holdUps">,
  { begun, events }: History,
  retired: ReadonlySet<string>,
  records: Records
): Facts => ({
  events,
  records,
  begun,
  retired,
  mayLinger: holdUps.mayLinger,
  inFlight: holdUps.inFlight,
  repeatsChanges: counterpart.repeatsChanges
})
