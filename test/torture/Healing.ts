import { isOpen } from "./check/Checker.ts"
import { explain } from "./check/Open.ts"
import { readRecords } from "./check/Records.ts"
import { tell } from "./check/Story.ts"
import type { History } from "./History.ts"
import { mayLinger } from "./HoldUps.ts"
import { patientRows } from "./Postgres.ts"
import type { Stage } from "./Stage.ts"

/** A lease, `TASKER_SETTLE_AFTER_MS`, the looks after it, the second look, and room for a busy machine. */
const bound = 180_000

/**
 * Waits, without calling anything, until the gateways have settled by themselves whatever can be settled;
 * every second look for a double is over,
 * and what only its owner can decide is left. Whatever is still open after the bound is the checker's to judge.
 */
export const settled = async (
  stage: Stage,
  history: History,
  retired: ReadonlySet<string>
): Promise<void> => {
  const begun = performance.now()
  const story = tell(history.events)
  while (performance.now() - begun < bound) {
    const [row] = await patientRows<{ open: number; checks: number }>(
      stage.databaseUrl,
      `select count(*) filter (where state in ('in_progress', 'unknown'))::integer as open,
         count(check_at)::integer as checks
       from idempotency_keys`
    )
    const { checks, open } = row ?? { checks: 0, open: 0 }
    if (open + checks === 0) return
    if (checks === 0 && open < 60) {
      const records = await readRecords(stage.databaseUrl, stage.taskerDatabaseUrl, stage.counterpart)
      const waiting = records.keys.filter(
        (key) =>
          isOpen(key) &&
          explain(key, { records, story, retired, mayLinger, begun: history.begun }) === undefined
      )
      if (waiting.length === 0) return
    }
    await new Promise((wake) => setTimeout(wake, 1000))
  }
}
