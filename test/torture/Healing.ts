import { isOpen } from "./check/Checker.ts"
import { explain } from "./check/Open.ts"
import { readRecords } from "./check/Records.ts"
import { tell } from "./check/Story.ts"
import type { History } from "./History.ts"
import { patientRows } from "./Postgres.ts"
import type { Stage } from "./Stage.ts"

/** A lease and the looks after it, and room for a busy machine. */
const bound = 180_000

/**
 * Waits, without calling anything, until the gateways have settled by themselves whatever can be settled;
 * what only its owner can decide is left. Whatever is still open after the bound is the checker's to judge.
 */
export const settled = async (
  stage: Stage,
  history: History,
  retired: ReadonlySet<string>
): Promise<void> => {
  const begun = performance.now()
  const story = tell(history.events)
  while (performance.now() - begun < bound) {
    const [row] = await patientRows<{ open: number }>(
      stage.databaseUrl,
      "select count(*)::integer as open from idempotency_keys where state in ('in_progress', 'unknown')"
    )
    const open = row?.open ?? 0
    if (open === 0) return
    if (open < 60) {
      const records = await readRecords(stage.databaseUrl, stage.taskerDatabaseUrl)
      const waiting = records.keys.filter(
        (key) => isOpen(key) && explain(key, { records, story, retired }) === undefined
      )
      if (waiting.length === 0) return
    }
    await new Promise((wake) => setTimeout(wake, 1000))
  }
}
