import type { Event } from "../History.ts"
import { agree, idIn, settledIn } from "./Answers.ts"
import { untold } from "./Doubles.ts"
import { explain } from "./Open.ts"
import type { Records } from "./Records.ts"
import { type Group, index, isOpen, nameOf, type Seen } from "./Seen.ts"
import { overAnother, tooEarly } from "./Sends.ts"
import {
  acknowledged,
  definite,
  passedAfterRevocation,
  type Story,
  succeeded,
  type Told,
  tell
} from "./Story.ts"
import { tallied } from "./Tallied.ts"
import { expectedSince, isTouched } from "./Touches.ts"
import { undone } from "./Undone.ts"

/**
 * Holds what clients were told, what the gateway's database says and what Tasker has against each other. It
 * shares no code with the gateway: it knows the contract, and by which mark each write is known in Tasker.
 */
export interface Verdict {
  /** How often each of these happened; whether it may is the report's to say. */
  readonly counts: Readonly<Record<CountName, number>>
  readonly findings: ReadonlyArray<Finding>
  /** Of what was left undecided, why. */
  readonly explained: ReadonlyMap<string, number>
}

export interface Finding {
  readonly rule: Rule
  readonly what: string
  /** The operations that it is about. */
  readonly ops: ReadonlyArray<string>
}

/** What must never happen. */
export const rules = [
  "doubled untold",
  "lost",
  "refused but done",
  "refused calls that left a key",
  "resent too early",
  "resent over another change",
  "false conflict",
  "acknowledged but not on record",
  "answered with something else",
  "unaudited",
  "audited but not done",
  "audited twice",
  "replies that differ for one key",
  "passed after a revocation was acknowledged",
  "sent after the agent was disabled",
  "let through in other words",
  "done though nobody asked",
  "unresolved without a reason"
] as const
export type Rule = (typeof rules)[number]

export type CountName =
  | "acknowledged writes"
  | "unacknowledged but done"
  | "refused"
  | "given up"
  | "reads"
  | "sent again"
  | "doubled, told"
  | "changes carried out again with the same values"
  | "conflicts after another hand"
  | "undone by a whole-row write of another hand"

export interface Facts {
  readonly events: ReadonlyArray<Event>
  readonly records: Records
  /** The wall clock at the beginning of the run, in milliseconds since the epoch. */
  readonly begun: number
  /** Agents that were disabled for good. */
  readonly retired: ReadonlySet<string>
  /** Longest time for which a request may be on its way, but for those that straggle on purpose. */
  readonly mayLinger: number
  /** How much later than a disabling of its agent a write may be carried out. */
  readonly inFlight: number
  /** True if Tasker may carry out a change twice. */
  readonly repeatsChanges: boolean
}

export const check = (facts: Facts): Verdict => {
  const { begun, records } = facts
  const story = tell(facts.events)
  const findings: Array<Finding> = []
  const find = (rule: Rule, what: string, ops: ReadonlyArray<Told>) =>
    findings.push({ rule, what, ops: ops.map(({ op }) => op) })
  const seen = index(records, story)
  const counted = tallied(story, records, facts.events, seen.audited)
  const tally: Tally = { told: 0, repeated: 0, conflicts: 0 }
  const gone = undone({ ...facts, story })

  for (const told of story.operations.values()) {
    ofOperation(told, seen, counted, find)
    ofDoubles(told, seen, facts, tally, find)
    for (const early of tooEarly(told, story, facts.mayLinger)) {
      find("resent too early", `${told.tool} ${told.op}: ${early}`, [told])
    }
    for (const over of overAnother(told, story, records, begun)) {
      find("resent over another change", `${told.tool} ${told.op}: ${over}`, [told])
    }
    for (const { call, reply } of told.calls) {
      if (reply?.code !== "tasker.conflict") continue
      const span = { ...expectedSince(told, story), until: reply.t }
      if (isTouched(told, span, story, records, begun)) tally.conflicts += 1
      else find("false conflict", `call ${call} of ${told.tool} ${told.op}`, [told])
    }
  }
  for (const group of seen.groups.values()) ofKey(group, seen, find)
  for (const call of story.calls) {
    const act = passedAfterRevocation(call, story.acts)
    if (act === undefined) continue
    const told = call.op === null ? undefined : story.operations.get(call.op)
    find(
      "passed after a revocation was acknowledged",
      `call ${call.call} (${call.tool}, instance ${call.instance}) after ${act.what} ${act.act}`,
      told === undefined ? [] : [told]
    )
  }
  ofTasker(facts, story, find)
  for (const { byAnother, told } of gone) {
    if (!byAnother) find("lost", `${told.tool} ${told.op} does not stand on its card`, [told])
  }
  const explained = new Map<string, number>()
  for (const row of records.keys) {
    if (!isOpen(row)) continue
    const why = explain(row, { ...facts, story })
    if (why === undefined) {
      const what = `${row.state} at the end: ${row.tool} ${row.key} (${row.reason ?? "no reason given"})`
      const ops = seen.groups.get(nameOf(row.agent_id, row.key))?.ops ?? []
      find(makings.has(row.tool) ? "unresolved without a reason" : "false conflict", what, ops)
    } else {
      explained.set(why, (explained.get(why) ?? 0) + 1)
    }
  }
  const told = [...story.operations.values()]
  return {
    counts: {
      "acknowledged writes": told.filter(acknowledged).length,
      "unacknowledged but done": told.filter((each) => !acknowledged(each) && seen.done(each).length > 0)
        .length,
      refused: told.filter((each) => !acknowledged(each) && !each.gaveUp).length,
      "given up": told.filter((each) => each.gaveUp && !acknowledged(each)).length,
      reads: story.calls.filter((call) => call.op === null && succeeded(call)).length,
      "sent again": told.filter(({ effect }) => (story.sends.get(effect)?.length ?? 0) > 1).length,
      "doubled, told": tally.told,
      "changes carried out again with the same values": tally.repeated,
      "conflicts after another hand": tally.conflicts,
      "undone by a whole-row write of another hand": gone.filter(({ byAnother }) => byAnother).length
    },
    findings,
    explained
  }
}

/** What may happen, counted as it is found. */
interface Tally {
  told: number
  repeated: number
  conflicts: number
}

const makings = new Set(["tasker_create_issue", "tasker_add_comment"])

/**
 * A create or comment that Tasker has more than once must have been told. A change may have been carried out
 * again: it asks for the same values.
 */
const ofDoubles = (told: Told, seen: Seen, { repeatsChanges }: Facts, tally: Tally, find: Find): void => {
  const times = Math.max(seen.done(told).length, seen.standing(told))
  if (times < 2) return
  if (!makings.has(told.tool) && repeatsChanges) {
    tally.repeated += 1
    return
  }
  const { events, rows } = seen.groupOf(told)
  const why = makings.has(told.tool) ? untold(told, rows, events) : "it is a change"
  if (why === undefined) tally.told += 1
  else find("doubled untold", `${told.tool} ${told.op} is ${times} writes in Tasker, and ${why}`, [told])
}

type Find = (rule: Rule, what: string, ops: ReadonlyArray<Told>) => void

const ofOperation = (told: Told, seen: Seen, counted: ReadonlySet<string>, find: Find): void => {
  const done = seen.done(told)
  const group = seen.groupOf(told)
  const name = `${told.tool} ${told.op}`
  const successes = told.calls.filter(succeeded)
  const [write] = done
  if (successes.length > 0 && write === undefined) find("lost", `${name} is not in Tasker`, [told])
  if (write !== undefined && told.calls.length > 0 && told.calls.every(definite)) {
    find("refused but done", `${name}: ${told.calls.map(({ reply }) => reply?.code).join(", ")}`, [told])
  }
  const left = group.rows.find((row) => isOpen(row))
  if (left !== undefined && group.ops.length === 1 && told.calls.length > 0 && told.calls.every(definite)) {
    find("refused calls that left a key", `${name}: its key is ${left.state}`, [told])
  }
  if (successes.length > 0 && !group.rows.some(({ state }) => state === "executed")) {
    find("acknowledged but not on record", `${name}: ${group.rows.map(({ state }) => state)}`, [told])
  }
  for (const { call, reply } of successes) {
    if (!seen.audited.has(call) && !counted.has(call)) {
      find("unaudited", `the success of call ${call} of ${name}`, [told])
    }
    const said = idIn(reply?.answer ?? {})
    const meant = done.map((each) => (told.tool === "tasker_add_comment" ? each.comment_id : each.issue_id))
    if (write !== undefined && !meant.some((id) => id === said)) {
      find("answered with something else", `${name}: ${said} and not ${meant.join(" or ")}`, [told])
    }
    // A double that was found since is told in the warnings of later responses.
    if (!agree(settledIn(successes[0]?.reply?.answer), settledIn(reply?.answer))) {
      find("replies that differ for one key", `${name}: call ${successes[0]?.call} and call ${call}`, [told])
    }
  }
  if (write !== undefined && group.executedEvents === 0 && !group.rows.some(isOpen)) {
    find("unaudited", `${name} is done; its key is ${group.rows.map(({ state }) => state)}`, [told])
  }
}

const ofKey = (group: Group, seen: Seen, find: Find): void => {
  const { executedEvents, ops, rows } = group
  const successful = ops.filter(acknowledged)
  const [first] = ops
  if (first === undefined) return
  if (successful.length > 1) {
    find("replies that differ for one key", `key ${first.key} was answered for several writes`, successful)
  }
  const done = ops.filter((told) => seen.done(told).length > 0)
  if (done.length > 1) find("doubled untold", `key ${first.key} is several writes`, done)
  if (executedEvents > 1) find("audited twice", `key ${first.key}: ${executedEvents} events`, ops)
  const onRecord = executedEvents > 0 || rows.some(({ state }) => state === "executed")
  if (onRecord && done.length === 0) find("audited but not done", `key ${first.key}`, ops)
  if (executedEvents === 0 && rows.some(({ state }) => state === "executed")) {
    find("unaudited", `key ${first.key} is executed without an event`, ops)
  }
}

/** Effects that cards have from their making: a create that was carried out in part is completed with them. */
const madeWith = (records: Records, { operations }: Story): ReadonlySet<string> => {
  const cards = new Map(records.writes.map(({ effect, issue_id }) => [effect, issue_id]))
  return new Set(
    [...operations.values()].flatMap(({ effect, holds }) => {
      const card = cards.get(effect)
      return card === undefined ? [] : holds.map((held) => held.replace("?", card))
    })
  )
}

const ofTasker = ({ begun, inFlight, records, retired }: Facts, story: Story, find: Find): void => {
  const byEffect = new Map([...story.operations.values()].map((told) => [told.effect, told]))
  const agents = new Set([...story.operations.values()].map(({ agent }) => agent))
  const parts = madeWith(records, story)
  const disabledAt = new Map<string, number>()
  for (const { acked, forbids } of story.acts) {
    if (acked === null || forbids === null || !("agent" in forbids) || "project" in forbids) continue
    if (retired.has(forbids.agent)) disabledAt.set(forbids.agent, begun + acked)
  }
  for (const write of records.writes) {
    const told = byEffect.get(write.effect)
    const isAgents = write.agent_id === null || agents.has(write.agent_id)
    if (told === undefined && isAgents && !parts.has(write.effect)) {
      find("done though nobody asked", `${write.op} ${write.n}: ${write.effect}`, [])
    }
    const disabled = disabledAt.get(told?.agent ?? write.agent_id ?? "")
    if (disabled !== undefined && write.at > disabled + inFlight) {
      const late = Math.round((write.at - disabled) / 1000)
      find("sent after the agent was disabled", `${write.effect}, ${late} s after`, told ? [told] : [])
    }
  }
  for (const told of story.operations.values()) {
    const original = told.twin_of === null ? undefined : story.operations.get(told.twin_of)
    if (original === undefined || told.args.allow_duplicate === true || !acknowledged(told)) continue
    const known = Math.min(...original.calls.filter(succeeded).map(({ reply }) => reply?.t ?? Infinity))
    if (known < (told.calls[0]?.t ?? 0)) {
      find("let through in other words", `${told.op} repeats ${original.op}`, [told, original])
    }
  }
}
