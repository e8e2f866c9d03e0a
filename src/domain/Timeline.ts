import { Schema } from "effect"
import { AuditEvent } from "./AuditEvent.ts"
import { Change, changeHash } from "./Change.ts"
import { IssueId } from "./Ids.ts"
import { Instant } from "./Principal.ts"

/** A card as a person knows it; null where the agent changed nothing on it for as long as changes are kept. */
const CardShown = Schema.Struct({
  id: IssueId,
  identifier: Schema.NullOr(Schema.String),
  name: Schema.NullOr(Schema.String)
})
export type CardName = Omit<typeof CardShown.Type, "id">

const {
  action,
  arguments_sha256,
  at,
  count,
  id,
  idempotency_key,
  outcome,
  project_id,
  reason,
  request_id,
  via
} = AuditEvent.fields

/** One event as a person replays it: what was asked, what came of it, on which card, how long it took. */
export const TimelineEntry = Schema.Struct({
  event_id: id,
  at,
  action,
  outcome,
  reason,
  via,
  count,
  project_id,
  issue: Schema.NullOr(CardShown),
  idempotency_key,
  arguments_sha256,
  request_id,
  /** The client's own id of the call. */
  call_id: Schema.NullOr(Schema.String),
  duration_ms: Schema.NullOr(Schema.Int),
  /** Stands for the change also when that is kept no longer. */
  change_sha256: Schema.NullOr(Schema.String),
  /**
   * Null for what changed nothing, and, if `change_sha256` is there, for what is kept no longer or was altered so
   * that JSON can't spell it.
   */
  change: Schema.NullOr(Change),
  /** The change that is kept is not the one that `change_sha256` stands for: it was altered after it was made. */
  change_altered: Schema.optionalKey(Schema.Literal(true))
}).annotate({ identifier: "TimelineEntry" })
export type TimelineEntry = typeof TimelineEntry.Type

/**
 * What an agent did in one turn of one conversation, by its client's claims; or, with all of them null, what
 * came without claims (over REST, by an administrator) with no longer pause than `pauseMillis` in between.
 */
export const Turn = Schema.Struct({
  session_id: Schema.NullOr(Schema.String),
  thread_id: Schema.NullOr(Schema.String),
  turn_id: Schema.NullOr(Schema.String),
  model: Schema.NullOr(Schema.String),
  codex_version: Schema.NullOr(Schema.String),
  /** Of the entries shown here. */
  started_at: Instant,
  ended_at: Instant,
  /** Earlier entries of this turn are on a page to come. */
  continued: Schema.optionalKey(Schema.Literal(true)),
  /** Newest first. */
  entries: Schema.Array(TimelineEntry)
}).annotate({ identifier: "Turn" })
export type Turn = typeof Turn.Type

/** The longest pause between two events without claims that are still told together. */
const pauseMillis = 10 * 60_000

/** Events of one page that belong together, newest first, one at least. */
export interface Group {
  readonly claimed: boolean
  readonly events: ReadonlyArray<AuditEvent>
}

const oldestOf = ({ events }: Group): AuditEvent => events.at(-1) as AuditEvent

const isSoonAfter = (earlier: string, later: string): boolean =>
  Date.parse(later) - Date.parse(earlier) <= pauseMillis

/** Which turn an event is of; undefined where its client claims none. */
const turnOf = ({ client }: AuditEvent): string | undefined => {
  const of = [client?.session_id, client?.thread_id, client?.turn_id]
  return of.every((claim) => claim === undefined)
    ? undefined
    : JSON.stringify(of.map((claim) => claim ?? null))
}

/** The events of a page, newest first, by turns: a turn stands where its newest event does. */
export const grouped = (events: ReadonlyArray<AuditEvent>): ReadonlyArray<Group> => {
  const groups: Array<{ claimed: boolean; events: Array<AuditEvent> }> = []
  const turns = new Map<string, Array<AuditEvent>>()
  let loose: Array<AuditEvent> | undefined
  for (const event of events) {
    const turn = turnOf(event)
    const last = turn === undefined ? loose?.at(-1) : undefined
    const open =
      turn !== undefined
        ? turns.get(turn)
        : last !== undefined && isSoonAfter(event.at, last.at)
          ? loose
          : undefined
    if (open !== undefined) {
      open.push(event)
      continue
    }
    const own = [event]
    groups.push({ claimed: turn !== undefined, events: own })
    if (turn === undefined) loose = own
    else turns.set(turn, own)
  }
  return groups
}

/** What is known of a page besides its events. */
export interface Known {
  /** By event. */
  readonly changes: ReadonlyMap<string, Change>
  /** By card. */
  readonly cards: ReadonlyMap<string, CardName>
  /** By the oldest event of a group: when the next earlier one of the same turn was, beyond this page. */
  readonly earlier: ReadonlyMap<string, string>
}

/** A group as it is shown. */
export const turnShown = (group: Group, known: Known): Turn => {
  const times = group.events.map((event) => event.at).sort()
  const earlier = known.earlier.get(oldestOf(group).id)
  const goesOn = earlier !== undefined && (group.claimed || isSoonAfter(earlier, oldestOf(group).at))
  // What tells of the turn may have changed within it: the newest that says so.
  const said = (name: "session_id" | "thread_id" | "turn_id" | "model" | "codex_version") =>
    group.events.find(({ client }) => client?.[name] !== undefined)?.client?.[name] ?? null
  return {
    session_id: said("session_id"),
    thread_id: said("thread_id"),
    turn_id: said("turn_id"),
    model: said("model"),
    codex_version: said("codex_version"),
    started_at: times[0] as string,
    ended_at: times.at(-1) as string,
    ...(goesOn ? { continued: true as const } : {}),
    entries: group.events.map((event) => entryShown(event, known))
  }
}

/** A change as it is shown, and whether it is the one that the event has the hash of. */
const changeShown = (
  { change_sha256 }: AuditEvent,
  change: Change | undefined
): Pick<TimelineEntry, "change" | "change_altered"> => {
  if (change === undefined) return { change: null }
  try {
    return changeHash(change) === change_sha256 ? { change } : { change, change_altered: true }
  } catch {
    // It has a number, say, that is beyond those of JSON.
    return { change: null, change_altered: true }
  }
}

const entryShown = (event: AuditEvent, { cards, changes }: Known): TimelineEntry => {
  const { issue_id } = event
  const card = issue_id === null ? undefined : cards.get(issue_id)
  return {
    event_id: event.id,
    at: event.at,
    action: event.action,
    outcome: event.outcome,
    reason: event.reason,
    via: event.via,
    count: event.count,
    project_id: event.project_id,
    issue:
      issue_id === null
        ? null
        : { id: issue_id, identifier: card?.identifier ?? null, name: card?.name ?? null },
    idempotency_key: event.idempotency_key,
    arguments_sha256: event.arguments_sha256,
    request_id: event.request_id,
    call_id: event.client?.call_id ?? null,
    duration_ms: event.duration_ms ?? null,
    change_sha256: event.change_sha256 ?? null,
    ...changeShown(event, changes.get(event.id))
  }
}
