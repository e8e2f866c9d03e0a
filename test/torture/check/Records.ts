import { patientRows } from "../Postgres.ts"

/** What the gateway's database and Tasker say once the run is over. */
export interface Records extends TaskerRecords {
  readonly keys: ReadonlyArray<KeyRow>
  /** In the order of the trail. */
  readonly events: ReadonlyArray<EventRow>
}

export interface TaskerRecords {
  readonly writes: ReadonlyArray<TaskerWrite>
  /** By their marks: how many cards and comments stand in Tasker. */
  readonly cards: ReadonlyMap<string, number>
  readonly comments: ReadonlyMap<string, number>
  /** By card: the effects of changes that its fields show. Undefined if only the log of writes is judged. */
  readonly standing?: ReadonlyMap<string, ReadonlyArray<string>>
}

export interface KeyRow {
  readonly agent_id: string
  readonly key: string
  readonly tool: string
  readonly state: string
  readonly reason: string | null
  readonly fence: number
  readonly issue_id: string | null
  /** True if the gateway found that the write is in Tasker more than once. */
  readonly doubled: boolean
  /** True if the gateway still has something to do under it: to settle it, or to look for a double. */
  readonly pending: boolean
}

export interface EventRow {
  readonly agent_id: string | null
  readonly idempotency_key: string | null
  readonly action: string
  readonly outcome: string
  readonly reason: string | null
  readonly request_id: string
  readonly via: string
  /** How many equal events it stands for. */
  readonly count: number
}

/** One write that Tasker carried out. */
export interface TaskerWrite {
  readonly n: number
  /** Null if this Tasker does not know agents. */
  readonly agent_id: string | null
  readonly op: string
  readonly issue_id: string
  readonly comment_id: string | null
  /** Milliseconds since the epoch. */
  readonly at: number
  /** By which the write is known: see `Effects.ts`. */
  readonly effect: string
  /** False if Tasker failed between its commits. Absent where each write is one. */
  readonly whole?: boolean
}

const keysStatement = `
  select agent_id, key, tool, state, reason, fence, issue_id, doubled,
    state in ('in_progress', 'unknown') or check_at is not null as pending
  from idempotency_keys order by created_at`

const eventsStatement = `
  select agent_id, idempotency_key, action, outcome, reason, request_id, via, count
  from audit_events where idempotency_key is not null order by position`

/** Reads the keys first: what is no longer pending there is complete in what is read after it. */
export const readRecords = async (
  gatewayUrl: string,
  tasker: () => Promise<TaskerRecords>
): Promise<Records> => {
  const keys = await patientRows<KeyRow>(gatewayUrl, keysStatement)
  const [events, written] = await Promise.all([patientRows<EventRow>(gatewayUrl, eventsStatement), tasker()])
  return { keys, events, ...written }
}
