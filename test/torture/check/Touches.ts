import type { Records } from "./Records.ts"
import { type Call, type Story, succeeded, type Told } from "./Story.ts"

/** Knows which other hands changed a card, and when: other writes of agents, and people. */

/** The fields of a card that a change touches. */
export const fieldsOf = ({ args, tool }: Told): ReadonlyArray<string> => {
  switch (tool) {
    case "tasker_update_issue":
      return ["name", "description", "priority"].filter((field) => field in args)
    case "tasker_move_issue":
      return ["state"]
    case "tasker_set_labels":
      return ["labels"]
    case "tasker_set_assignees":
      return ["assignees"]
    default:
      return []
  }
}

/** How far the clocks of Tasker's database and of the harness, and what they stamp, may be apart. */
const slack = 2000

export interface Span {
  readonly from: number
  readonly until: number
  /** Effect whose first write is no other hand's: its response is what the caller expects to stand. */
  readonly besides?: string | undefined
}

/** True if another hand changed the card of an operation between two moments of the run. */
export const isTouched = (
  told: Told,
  { besides, from, until }: Span,
  { operations, people }: Story,
  { writes }: Records,
  begun: number
): boolean => {
  const within = (t: number) => t > from - slack && t < until + slack
  if (people.some(({ issue, t }) => issue === told.issue && within(t))) return true
  const others = new Set(
    [...operations.values()]
      .filter(
        ({ issue, op, tool }) => issue === told.issue && op !== told.op && tool !== "tasker_add_comment"
      )
      .map(({ effect }) => effect)
  )
  const first = writes.find(({ effect }) => effect === besides)
  return writes.some((write) => write !== first && others.has(write.effect) && within(write.at - begun))
}

/** Returns since when a conflict of an operation may have come about, and by which write that was expected to stand. */
export const expectedSince = (told: Told, { calls, operations }: Story): Omit<Span, "until"> => {
  const { expected_updated_at: updatedAt, expected_version: version } = told.args
  const [first] = told.calls
  if (updatedAt === undefined && version === undefined) return { from: first?.t ?? 0 }
  const source = calls.find((call) => showed(call, told.issue, updatedAt, version))
  if (source === undefined) return { from: 0 }
  const by = operations.get(source.op ?? "")
  // A replay shows what its first call was answered.
  return { from: by?.calls[0]?.t ?? source.t, besides: by?.effect }
}

const showed = (call: Call, issue: string | null, updatedAt: unknown, version: unknown): boolean => {
  if (!succeeded(call)) return false
  const shown = call.reply?.answer?.issue as
    | { readonly id?: unknown; readonly updated_at?: unknown; readonly version?: unknown }
    | undefined
  return (
    shown?.id === issue &&
    (version === undefined ? shown?.updated_at === updatedAt : shown?.version === version)
  )
}
