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

/** True if another hand changed the card of an operation between two moments of the run. */
export const isTouched = (
  told: Told,
  { from, until }: { readonly from: number; readonly until: number },
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
  return writes.some(({ at, effect }) => others.has(effect) && within(at - begun))
}

/** Since when a conflict of an operation may have come about: what its caller expects was told it then. */
export const expectedSince = (told: Told, { calls, operations }: Story): number => {
  const { expected_updated_at: updatedAt, expected_version: version } = told.args
  const [first] = told.calls
  if (updatedAt === undefined && version === undefined) return first?.t ?? 0
  const source = calls.find((call) => showed(call, told.issue, updatedAt, version))
  // A replay shows what its first call was answered.
  return source === undefined ? 0 : (operations.get(source.op ?? "")?.calls[0]?.t ?? source.t)
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
