import type { EventRow, KeyRow, Records, TaskerWrite } from "./Records.ts"
import type { Story, Told } from "./Story.ts"

/** What was told and recorded, by key and by effect. */

export const isOpen = ({ state }: Pick<KeyRow, "state">): boolean =>
  state === "in_progress" || state === "unknown" || state === "unresolved"

/** Everything under one key of one agent. */
export interface Group {
  readonly ops: Array<Told>
  readonly rows: Array<KeyRow>
  readonly events: Array<EventRow>
  executedEvents: number
}

export interface Seen {
  readonly groups: ReadonlyMap<string, Group>
  readonly done: (told: Told) => ReadonlyArray<TaskerWrite>
  readonly groupOf: (told: Told) => Group
  readonly standing: (told: Told) => number
  /** Request ids under which a success was put on record. */
  readonly audited: ReadonlySet<string>
}

export const nameOf = (agent: string, key: string): string => `${agent} ${key}`

export const index = (records: Records, story: Story): Seen => {
  const groups = new Map<string, Group>()
  const group = (agent: string, key: string): Group => {
    const name = nameOf(agent, key)
    const known = groups.get(name) ?? { ops: [], rows: [], events: [], executedEvents: 0 }
    groups.set(name, known)
    return known
  }
  for (const told of story.operations.values()) group(told.agent, told.key).ops.push(told)
  for (const row of records.keys) group(row.agent_id, row.key).rows.push(row)
  const audited = new Set<string>()
  for (const event of records.events) {
    if (event.agent_id === null || event.idempotency_key === null) continue
    const known = group(event.agent_id, event.idempotency_key)
    known.events.push(event)
    if (event.outcome === "executed") known.executedEvents += 1
    if (event.outcome === "executed" || event.outcome === "replayed") audited.add(event.request_id)
  }
  const writes = Map.groupBy(records.writes, ({ effect }) => effect)
  return {
    groups,
    audited,
    done: ({ effect }) => writes.get(effect) ?? [],
    groupOf: ({ agent, key }) => group(agent, key),
    standing: ({ effect }) => {
      const [kind, mark = ""] = effect.split(" ")
      return (kind === "create" ? records.cards : kind === "comment" ? records.comments : none).get(mark) ?? 0
    }
  }
}

const none: ReadonlyMap<string, number> = new Map()
