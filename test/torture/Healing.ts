import { explain } from "./check/Open.ts"
import type { Records } from "./check/Records.ts"
import { isOpen, nameOf } from "./check/Seen.ts"
import { type Story, tell } from "./check/Story.ts"
import type { History } from "./History.ts"
import { patientRows } from "./Postgres.ts"
import type { Stage } from "./Stage.ts"

/** A lease, the looks after it, and room for a busy machine; twice `TASKER_SETTLE_AFTER_MS` besides. */
const bound = 170_000
/** Of a sabotaged run, in which things may stay open that a sound gateway settles. */
const sabotagedBound = 20_000

export interface Healing {
  readonly isSabotaged: boolean
  /** Agents that were disabled for good. */
  readonly retired: ReadonlySet<string>
  /** Called once a second with what is on record. Returns true to end the waiting. */
  readonly watch?: ((records: Records) => boolean) | undefined
}

/**
 * Waits, without calling anything, until the gateways have settled by themselves whatever can be settled and
 * every second look for a double is over; what only its owner can decide is left. Whatever is still open after
 * the bound is the checker's to judge.
 */
export const settled = async (
  stage: Stage,
  history: History,
  { isSabotaged, retired, watch }: Healing
): Promise<void> => {
  const begun = performance.now()
  const story = tell(history.events)
  const longest = (isSabotaged ? sabotagedBound : bound) + 2 * stage.holdUps.settleAfter
  while (performance.now() - begun < longest) {
    if (watch?.(await stage.records()) === true) return
    const [row] = await patientRows<{ open: number; checks: number }>(
      stage.databaseUrl,
      `select count(*) filter (where state in ('in_progress', 'unknown'))::integer as open,
         count(check_at)::integer as checks
       from idempotency_keys`
    )
    const { checks, open } = row ?? { checks: 0, open: 0 }
    if (open + checks === 0) return
    if (checks === 0 && open < 60) {
      const records = await stage.records(await openCards(stage.databaseUrl, story))
      const waiting = records.keys.filter(
        (key) =>
          isOpen(key) &&
          explain(key, { records, story, retired, begun: history.begun, ...stage.holdUps }) === undefined
      )
      if (waiting.length === 0) return
    }
    await new Promise((wake) => setTimeout(wake, 1000))
  }
}

/** The cards that keys in doubt are about, as far as they are known. */
const openCards = async (databaseUrl: string, { operations }: Story): Promise<ReadonlySet<string>> => {
  const open = await patientRows<{ agent_id: string; key: string }>(
    databaseUrl,
    "select agent_id, key from idempotency_keys where state in ('in_progress', 'unknown', 'unresolved')"
  )
  const names = new Set(open.map(({ agent_id, key }) => nameOf(agent_id, key)))
  return new Set(
    [...operations.values()].flatMap(({ agent, issue, key }) =>
      issue !== null && names.has(nameOf(agent, key)) ? [issue] : []
    )
  )
}
