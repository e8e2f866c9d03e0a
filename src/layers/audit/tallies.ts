import type { AuditEntry, AuditEvent, Outcome } from "../../domain/AuditEvent.ts"

/** Equal events of one agent in one minute that the trail holds one by one; the rest are counted. */
export const singleEvents = 60

const windowMillis = 60_000

/** What an agent can cause without end. Outcomes of writes that were sent are never counted, whatever came of them. */
const countable: ReadonlySet<Outcome> = new Set(["denied", "failed", "replayed", "dry_run"])

interface Tally {
  /** When its minute began: monotonic, milliseconds. */
  readonly began: number
  seen: number
  /** The last event beyond the single ones, with how many it stands for; undefined if none is waiting. */
  waiting: AuditEvent | undefined
}

/**
 * Counts equal events of an agent: the same action, outcome and reason. Of each minute the first 60 stand alone; the
 * rest wait here until they are taken as one event with a `count`. In memory, so that counting costs no statement:
 * a crash loses what was counted since the last time.
 */
export class Tallies {
  private readonly tallies = new Map<string, Tally>()

  /** True if the event is to be written as it is; else it is counted. */
  isSingle(event: AuditEvent, now: number): boolean {
    const name = nameOf(event)
    if (name === undefined) return true
    const known = this.tallies.get(name)
    const tally: Tally =
      known !== undefined && now < known.began + windowMillis
        ? known
        : { began: now, seen: 0, waiting: known?.waiting }
    this.tallies.set(name, tally)
    tally.seen += 1
    if (tally.seen <= singleEvents) return true
    tally.waiting = { ...event, count: (tally.waiting?.count ?? 0) + 1 }
    return false
  }

  /** Takes the events that wait, and forgets the minutes that are over. */
  take(now: number): ReadonlyArray<AuditEvent> {
    const taken: Array<AuditEvent> = []
    for (const [name, tally] of this.tallies) {
      if (tally.waiting !== undefined) taken.push(tally.waiting)
      tally.waiting = undefined
      if (now >= tally.began + windowMillis) this.tallies.delete(name)
    }
    return taken
  }
}

const nameOf = ({ action, agent_id, outcome, reason }: AuditEntry): string | undefined =>
  agent_id === null || !countable.has(outcome)
    ? undefined
    : JSON.stringify([agent_id, action, outcome, reason])
