import { check, type Facts, type Rule } from "../torture/check/Checker.ts"
import type { EventRow, KeyRow, Records, TaskerWrite } from "../torture/check/Records.ts"
import type { Event, Happening } from "../torture/History.ts"

/** Records of a torture run made by hand: one create that is told, on record and in Tasker once, and what can be wrong with it. */

export const agent = "agent-1"
export const project = "project-1"
export const effect = "create tm000001"
export const answer = { issue: { id: "card-1", name: "Card" }, replayed: false }

export const operation = (given: Partial<Extract<Happening, { ev: "operation" }>> = {}): Happening => ({
  ev: "operation",
  op: "op-1",
  agent,
  project,
  key: "key-one-1",
  tool: "tasker_create_issue",
  args: {},
  effect,
  issue: null,
  twin_of: null,
  holds: [],
  ...given
})

export const invoke = (call: string, op: string | null = "op-1", token = "token-1"): Happening => ({
  ev: "invoke",
  call,
  op,
  agent,
  token,
  tool: "tasker_create_issue",
  project,
  instance: 0,
  edge: "rest"
})

export const reply = (call: string, given: Partial<Extract<Happening, { ev: "reply" }>> = {}): Happening => ({
  ev: "reply",
  call,
  status: 200,
  code: null,
  replayed: false,
  answer,
  ...given
})

export const refusal = (call: string, code: string) => reply(call, { status: 422, code, answer: null })

export const executed: KeyRow = {
  agent_id: agent,
  key: "key-one-1",
  tool: "tasker_create_issue",
  state: "executed",
  reason: null,
  fence: 1,
  issue_id: "card-1",
  doubled: false,
  pending: false
}

export const event = (request_id: string, outcome = "executed"): EventRow => ({
  agent_id: agent,
  idempotency_key: "key-one-1",
  action: "tasker_create_issue",
  outcome,
  reason: null,
  request_id,
  via: "rest",
  count: 1
})

export const written = (given: Partial<TaskerWrite> = {}): TaskerWrite => ({
  n: 1,
  agent_id: agent,
  op: "create",
  issue_id: "card-1",
  comment_id: null,
  at: 0,
  effect,
  ...given
})

export const well: Records = {
  keys: [executed],
  events: [event("call-1")],
  writes: [written()],
  cards: new Map([["tm000001", 1]]),
  comments: new Map()
}

export const once = [operation(), invoke("call-1"), reply("call-1")]

/** A second apart each. */
export const facts = (happenings: ReadonlyArray<Happening>, records: Partial<Records> = {}): Facts => ({
  events: happenings.map((happening, at) => ({ t: at * 1000, ...happening }) as Event),
  records: { ...well, ...records },
  begun: 0,
  retired: new Set(),
  mayLinger: 4000,
  inFlight: 12_000,
  repeatsChanges: false
})

export const found = (given: Facts): ReadonlyArray<Rule> => [
  ...new Set(check(given).findings.map(({ rule }) => rule))
]

export const act = (given: Partial<Extract<Happening, { ev: "act" }>>): Happening => ({
  ev: "act",
  act: "act-1",
  what: "an act",
  forbids: null,
  allows: null,
  ...given
})

export const narrowed = { agent, project, scopes: ["issue:create"] }
