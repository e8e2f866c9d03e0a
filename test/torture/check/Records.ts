import * as Effects from "../Effects.ts"
import { patientRows } from "../Postgres.ts"

/** What the gateway's database and Tasker's say once the run is over, read with the checker's own SQL. */
export interface Records {
  readonly keys: ReadonlyArray<KeyRow>
  readonly events: ReadonlyArray<EventRow>
  readonly writes: ReadonlyArray<TaskerWrite>
  /** By their marks: how many cards and comments stand in Tasker. */
  readonly cards: ReadonlyMap<string, number>
  readonly comments: ReadonlyMap<string, number>
}

export interface KeyRow {
  readonly agent_id: string
  readonly key: string
  readonly tool: string
  readonly state: string
  readonly reason: string | null
  readonly fence: number
  readonly issue_id: string | null
}

export interface EventRow {
  readonly agent_id: string | null
  readonly idempotency_key: string | null
  readonly action: string
  readonly outcome: string
  readonly reason: string | null
  readonly request_id: string
  readonly via: string
}

/** One write that Tasker carried out. */
export interface TaskerWrite {
  readonly n: number
  readonly agent_id: string
  readonly op: string
  readonly issue_id: string
  readonly comment_id: string | null
  /** Milliseconds since the epoch. */
  readonly at: number
  /** By which the write is known: see `Effects.ts`. */
  readonly effect: string
}

interface LoggedWrite extends Omit<TaskerWrite, "effect"> {
  readonly body: Readonly<Record<string, unknown>>
}

const keysStatement = `
  select agent_id, key, tool, state, reason, fence, issue_id from idempotency_keys order by created_at`

const eventsStatement = `
  select agent_id, idempotency_key, action, outcome, reason, request_id, via
  from audit_events where idempotency_key is not null order by position`

const writesStatement = `
  select n, agent_id, op, issue_id, comment_id, body,
    (extract(epoch from at) * 1000)::float8 as at
  from tasker.writes order by n`

const cardsStatement = `
  select substring(description_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
  from tasker.issues where description_html ~ 'Made as <strong>tm[0-9a-z]{6}' group by 1`

const commentsStatement = `
  select substring(comment_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
  from tasker.comments where comment_html ~ 'tm[0-9a-z]{6}' group by 1`

export const readRecords = async (gatewayUrl: string, taskerUrl: string): Promise<Records> => {
  const [keys, events, writes, cards, comments] = await Promise.all([
    patientRows<KeyRow>(gatewayUrl, keysStatement),
    patientRows<EventRow>(gatewayUrl, eventsStatement),
    patientRows<LoggedWrite>(taskerUrl, writesStatement),
    patientRows<Marked>(taskerUrl, cardsStatement),
    patientRows<Marked>(taskerUrl, commentsStatement)
  ])
  return {
    keys,
    events,
    writes: writes.map(({ body, ...write }) => ({ ...write, effect: effectOf(write, body) })),
    cards: timesByMark(cards),
    comments: timesByMark(comments)
  }
}

interface Marked {
  readonly mark: string | null
  readonly times: number
}

const timesByMark = (marked: ReadonlyArray<Marked>) =>
  new Map(marked.flatMap(({ mark, times }) => (mark === null ? [] : [[mark, times] as const])))

const effectOf = ({ issue_id, op }: Omit<TaskerWrite, "effect">, body: LoggedWrite["body"]): string => {
  const mark = (name: string) => Effects.markIn(String(body[name] ?? "")) ?? "?"
  switch (op) {
    case "create":
      return Effects.created(mark("description_html"))
    case "comment":
      return Effects.commented(mark("comment_html"))
    case "update":
      return Effects.updated(issue_id, mark("name"))
    case "move":
      return Effects.moved(issue_id, String(body.state_id))
    case "labels":
      return Effects.labelled(issue_id, body.label_ids as ReadonlyArray<string>)
    case "assignees":
      return Effects.assigned(issue_id, body.assignee_ids as ReadonlyArray<string>)
    default:
      return `${op} ${issue_id}`
  }
}
