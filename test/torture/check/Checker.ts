import { isDeepStrictEqual } from "node:util"
import type { Event } from "../History.ts"
import { explain } from "./Open.ts"
import type { KeyRow, Records, TaskerWrite } from "./Records.ts"
import {
  acknowledged,
  definite,
  passedAfterRevocation,
  type Story,
  succeeded,
  type Told,
  tell
} from "./Story.ts"

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
  "doubled",
  "lost",
  "refused but done",
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

export type CountName = "acknowledged writes" | "unacknowledged but done" | "refused" | "given up" | "reads"

export interface Facts {
  readonly events: ReadonlyArray<Event>
  readonly records: Records
  /** The wall clock at the beginning of the run, in milliseconds since the epoch. */
  readonly begun: number
  /** Agents that were disabled for good. */
  readonly retired: ReadonlySet<string>
}

export const check = (facts: Facts): Verdict => {
  const story = tell(facts.events)
  const findings: Array<Finding> = []
  const find = (rule: Rule, what: string, ops: ReadonlyArray<Told>) =>
    findings.push({ rule, what, ops: ops.map(({ op }) => op) })
  const seen = index(facts.records, story)

  for (const told of story.operations.values()) ofOperation(told, seen, find)
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
  const explained = new Map<string, number>()
  for (const row of facts.records.keys) {
    if (!isOpen(row)) continue
    const why = explain(row, { records: facts.records, story, retired: facts.retired })
    if (why === undefined) {
      const what = `${row.state} at the end: ${row.tool} ${row.key} (${row.reason ?? "no reason given"})`
      find("unresolved without a reason", what, seen.groups.get(nameOf(row.agent_id, row.key))?.ops ?? [])
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
      reads: story.calls.filter((call) => call.op === null && succeeded(call)).length
    },
    findings,
    explained
  }
}

export const isOpen = ({ state }: Pick<KeyRow, "state">): boolean =>
  state === "in_progress" || state === "unknown" || state === "unresolved"

type Find = (rule: Rule, what: string, ops: ReadonlyArray<Told>) => void

/** Everything under one key of one agent. */
interface Group {
  readonly ops: Array<Told>
  readonly rows: Array<KeyRow>
  executedEvents: number
}

interface Seen {
  readonly groups: ReadonlyMap<string, Group>
  readonly done: (told: Told) => ReadonlyArray<TaskerWrite>
  readonly groupOf: (told: Told) => Group
  readonly standing: (told: Told) => number
  /** Request ids under which a success was put on record. */
  readonly audited: ReadonlySet<string>
}

const nameOf = (agent: string, key: string): string => `${agent} ${key}`

const index = (records: Records, story: Story): Seen => {
  const groups = new Map<string, Group>()
  const group = (agent: string, key: string): Group => {
    const name = nameOf(agent, key)
    const known = groups.get(name) ?? { ops: [], rows: [], executedEvents: 0 }
    groups.set(name, known)
    return known
  }
  for (const told of story.operations.values()) group(told.agent, told.key).ops.push(told)
  for (const row of records.keys) group(row.agent_id, row.key).rows.push(row)
  const audited = new Set<string>()
  for (const event of records.events) {
    if (event.agent_id === null || event.idempotency_key === null) continue
    if (event.outcome === "executed") group(event.agent_id, event.idempotency_key).executedEvents += 1
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

const ofOperation = (told: Told, seen: Seen, find: Find): void => {
  const done = seen.done(told)
  const group = seen.groupOf(told)
  const name = `${told.tool} ${told.op}`
  if (done.length > 1 || seen.standing(told) > 1) {
    find("doubled", `${name} is ${Math.max(done.length, seen.standing(told))} writes in Tasker`, [told])
  }
  const successes = told.calls.filter(succeeded)
  const [write] = done
  if (successes.length > 0 && write === undefined) find("lost", `${name} is not in Tasker`, [told])
  if (write !== undefined && told.calls.length > 0 && told.calls.every(definite)) {
    find("refused but done", `${name}: ${told.calls.map(({ reply }) => reply?.code).join(", ")}`, [told])
  }
  if (successes.length > 0 && !group.rows.some(({ state }) => state === "executed")) {
    find("acknowledged but not on record", `${name}: ${group.rows.map(({ state }) => state)}`, [told])
  }
  for (const { call, reply } of successes) {
    if (!seen.audited.has(call)) find("unaudited", `the success of call ${call} of ${name}`, [told])
    const said = idIn(reply?.answer ?? {})
    const meant = told.tool === "tasker_add_comment" ? write?.comment_id : write?.issue_id
    if (write !== undefined && said !== meant) {
      find("answered with something else", `${name}: ${said} and not ${meant}`, [told])
    }
    if (!agree(successes[0]?.reply?.answer, reply?.answer)) {
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
  if (done.length > 1) find("doubled", `key ${first.key} is several writes`, done)
  if (executedEvents > 1) find("audited twice", `key ${first.key}: ${executedEvents} events`, ops)
  const onRecord = executedEvents > 0 || rows.some(({ state }) => state === "executed")
  if (onRecord && done.length === 0) find("audited but not done", `key ${first.key}`, ops)
  if (executedEvents === 0 && rows.some(({ state }) => state === "executed")) {
    find("unaudited", `key ${first.key} is executed without an event`, ops)
  }
}

const idIn = (answer: Readonly<Record<string, unknown>>): unknown => {
  const { comment, issue } = answer as { comment?: { id?: unknown }; issue?: { id?: unknown } }
  return comment?.id ?? issue?.id
}

/** Whether two answers say the same where both say something: what is shown depends on the scopes of the moment. */
const agree = (one: unknown, other: unknown): boolean => {
  if (!isObject(one) || !isObject(other)) return isDeepStrictEqual(one, other)
  return Object.keys(one).every(
    (name) => name === "replayed" || !(name in other) || agree(one[name], other[name])
  )
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A call that began in time may still write this many milliseconds after its agent was disabled. */
const inFlight = 12_000

const ofTasker = ({ begun, records, retired }: Facts, story: Story, find: Find): void => {
  const byEffect = new Map([...story.operations.values()].map((told) => [told.effect, told]))
  const agents = new Set([...story.operations.values()].map(({ agent }) => agent))
  const disabledAt = new Map<string, number>()
  for (const { acked, forbids } of story.acts) {
    if (acked === null || forbids === null || !("agent" in forbids) || "project" in forbids) continue
    if (retired.has(forbids.agent)) disabledAt.set(forbids.agent, begun + acked)
  }
  for (const write of records.writes) {
    const told = byEffect.get(write.effect)
    if (told === undefined && agents.has(write.agent_id)) {
      find("done though nobody asked", `${write.op} ${write.n}: ${write.effect}`, [])
    }
    const disabled = disabledAt.get(write.agent_id)
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
