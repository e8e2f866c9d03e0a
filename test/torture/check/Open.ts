import type { KeyRow, Records } from "./Records.ts"
import { covers, type Story, type Told } from "./Story.ts"
import { isTouched } from "./Touches.ts"

export interface Known {
  readonly records: Records
  readonly story: Story
  /** The wall clock at the beginning of the run, in milliseconds since the epoch. */
  readonly begun: number
  /** Longest time for which a request may be on its way, but for those that straggle on purpose. */
  readonly mayLinger: number
  /** Agents that were disabled for good. */
  readonly retired: ReadonlySet<string>
}

/**
 * Why a key may stay undecided until its owner decides, or nothing where it may not:
 *
 * - its agent could not do it any more when it was looked at, for good or for a while, or the token under which it
 *   was asked for was revoked, and Tasker does not show it: it must not be sent again;
 * - Tasker said that something else stands under its key;
 * - its card was changed by another hand since: whether it had been done before can't be told from the card,
 *   and to repeat it could undo the other;
 * - Tasker failed between its commits, so that the card is neither as it was nor as asked.
 */
export const explain = (row: KeyRow, known: Known): string | undefined => {
  const { retired, story } = known
  const ops = [...story.operations.values()].filter(
    (told) => told.agent === row.agent_id && told.key === row.key && told.tool === row.tool
  )
  const [told] = ops
  if (told === undefined || row.state === "in_progress") return undefined
  const done = wasDoneInTime(told, known)
  if (changedMeanwhile(told, known)) return "its card was changed meanwhile"
  if (row.state === "unresolved" && isTorn(told, known)) return "Tasker carried it out only in part"
  if (retired.has(row.agent_id) && !done) return "its agent was disabled"
  if (row.state === "unresolved" && named(told, story)) return "Tasker named something else for its key"
  if (row.state === "unresolved" && !done && forbiddenMeanwhile(told, story)) {
    return "its agent could not do it when it was looked at"
  }
  if (row.state === "unresolved" && !done && tokenRevoked(told, story)) return "its token was revoked"
  return undefined
}

/** Whether Tasker was made to name another card or comment since it was asked for. */
const named = ({ calls, tool }: Told, { lastForeign }: Story): boolean =>
  (tool === "tasker_create_issue" || tool === "tasker_add_comment") &&
  lastForeign !== null &&
  lastForeign + untilTold > (calls[0]?.t ?? 0)

/** Milliseconds for which Tasker may go on with it until it is told to stop. */
const untilTold = 2500

/** Whether its agent lost the right to it, be it for a moment, at any time after it was asked for. */
const forbiddenMeanwhile = (told: Told, { acts }: Story): boolean => {
  const [first] = told.calls
  return (
    first !== undefined &&
    acts.some(
      ({ acked, forbids }) =>
        forbids !== null &&
        !("token" in forbids) &&
        (acked ?? Infinity) > first.t - reactionTime &&
        covers(forbids, first)
    )
  )
}

/** An act takes effect before its reply is read, and may before a call that was sent earlier is. */
const reactionTime = 5000

/** True if one of the tokens under which it was asked for was revoked: any of its calls may have reserved. */
const tokenRevoked = ({ calls }: Told, { acts }: Story): boolean =>
  acts.some(
    ({ forbids }) => forbids !== null && "token" in forbids && calls.some((call) => covers(forbids, call))
  )

/** Whether another hand changed its card after it was first asked for. */
const changedMeanwhile = (told: Told, { begun, records, story }: Known): boolean =>
  told.issue !== null &&
  told.tool !== "tasker_add_comment" &&
  isTouched(told, { from: told.calls[0]?.t ?? 0, until: Infinity }, story, records, begun)

const settingTools = new Set(["tasker_set_labels", "tasker_set_assignees"])

/** True if Tasker began to replace a set, and never ended it. */
const isTorn = ({ effect, tool }: Told, { records }: Known): boolean => {
  const writes = records.writes.filter((write) => write.effect === effect)
  return settingTools.has(tool) && writes.length > 0 && writes.every(({ whole }) => whole === false)
}

/** Whether Tasker has carried it out, but for a request that came after everybody had stopped looking for it. */
const wasDoneInTime = ({ effect }: Told, { begun, mayLinger, records, story }: Known): boolean => {
  const last = story.sends.get(effect)?.at(-1)?.t ?? 0
  return records.writes.some((write) => write.effect === effect && write.at - begun < last + mayLinger)
}
