import { assert, describe, it } from "@effect/vitest"
import {
  act,
  answer,
  event,
  executed,
  facts,
  found,
  invoke,
  once,
  operation,
  refusal,
  reply,
  well,
  written
} from "../support/torture-records.ts"
import { check } from "../torture/check/Checker.ts"
import type { Happening } from "../torture/History.ts"

const twice = [written(), written({ n: 2, issue_id: "card-2" })]
const told = { ...event("call-1", "failed"), action: "write.doubled" }
const doubled = { writes: twice, keys: [{ ...executed, doubled: true }] }

const sent = (send: string, effects: ReadonlyArray<string>, op = "create"): Happening => ({
  ev: "sent",
  send,
  instance: 0,
  op,
  effects
})
const answered = (send: string, status: number, passed = true): Happening => ({
  ev: "answered",
  send,
  status,
  isJson: true,
  passed
})

const effect = "create tm000001"

/** A change of card-1, and its key. */
const change = (op: string, mark: string, args: Readonly<Record<string, unknown>> = { name: mark }) =>
  operation({
    op,
    key: `key-${op}-1`,
    tool: "tasker_update_issue",
    effect: `update card-1 ${mark}`,
    issue: "card-1",
    args
  })
const changeKey = (op: string, state = "executed") => ({
  ...executed,
  key: `key-${op}-1`,
  tool: "tasker_update_issue",
  state
})
const changed = (mark: string, at = 0) => written({ op: "update", effect: `update card-1 ${mark}`, at })

describe("the checker of the torture run", () => {
  it("counts a double that key, trail and later responses tell", () => {
    const warned = {
      ...answer,
      warnings: [{ field: "issue", message: "Tasker holds more than one card of this one write: a, b." }],
      replayed: true
    }
    const verdict = check(
      facts([...once, invoke("call-2"), reply("call-2", { answer: warned })], {
        ...doubled,
        events: [event("call-1"), told, event("call-2", "replayed")]
      })
    )
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.counts["doubled, told"], 1)
  })

  it.each([
    ["its key", { ...doubled, keys: [executed], events: [event("call-1"), told] }],
    ["the trail", { ...doubled, events: [event("call-1")] }]
  ])("finds a double that %s does not tell", (_, records) => {
    assert.deepStrictEqual(found(facts(once, records)), ["doubled untold"])
  })

  it("finds a double that a later response does not tell", () => {
    const events = [event("call-1"), told, event("call-2", "replayed")]
    const given = facts([...once, invoke("call-2"), reply("call-2")], { ...doubled, events })
    assert.deepStrictEqual(found(given), ["doubled untold"])
  })

  it("finds a create that is sent again while its first request may be on its way", () => {
    const early = [...once, sent("s1", [effect]), sent("s2", [effect])]
    assert.deepStrictEqual(found(facts(early)), ["resent too early"])
    const cut = [...once, sent("s1", [effect]), answered("s1", 422, false), sent("s2", [effect])]
    assert.deepStrictEqual(found(facts(cut)), ["resent too early"])
    const failed = [...once, sent("s1", [effect]), answered("s1", 500), sent("s2", [effect])]
    assert.deepStrictEqual(found(facts(failed)), ["resent too early"])
  })

  it("holds nothing against a create that is sent again after a refusal, or late enough", () => {
    const refused = [...once, sent("s1", [effect]), answered("s1", 422), sent("s2", [effect])]
    assert.deepStrictEqual(found(facts(refused)), [])
    const pause = Array.from({ length: 4 }, (_, at) => sent(`other-${at}`, ["create tm000009"]))
    assert.deepStrictEqual(found(facts([...once, sent("s1", [effect]), ...pause, sent("s2", [effect])])), [])
  })

  it("counts a change that a Tasker without version checks carried out again", () => {
    const records = {
      keys: [changeKey("op-1")],
      events: [{ ...event("call-1"), idempotency_key: "key-op-1-1" }],
      writes: [changed("tm000001"), changed("tm000001", 2000)],
      cards: new Map<string, number>()
    }
    const told = facts([change("op-1", "tm000001"), invoke("call-1"), reply("call-1")], records)
    assert.deepStrictEqual(found(told), ["doubled untold"])
    const verdict = check({ ...told, repeatsChanges: true })
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.counts["changes carried out again with the same values"], 1)
  })

  it("finds a change that is sent again long after another change of the same field", () => {
    const mine = "update card-1 tm000001"
    const happenings = [
      change("op-1", "tm000001"),
      change("op-2", "tm000002"),
      invoke("call-1"),
      sent("s1", [mine], "update"),
      ...Array.from({ length: 10 }, (_, at) => sent(`other-${at}`, ["create tm000009"])),
      sent("s2", [mine], "update")
    ]
    const records = {
      keys: [changeKey("op-1")],
      events: [{ ...event("call-1"), idempotency_key: "key-op-1-1" }],
      writes: [changed("tm000002", 4000), changed("tm000001", 14_000)],
      cards: new Map<string, number>()
    }
    assert.include(found(facts(happenings, records)), "resent over another change")
    const apart = happenings.map((each) =>
      each.ev === "operation" && each.op === "op-2" ? { ...each, args: { priority: "high" } } : each
    )
    assert.notInclude(found(facts(apart, records)), "resent over another change")
  })

  const conflict: readonly [Happening, ...Array<Happening>] = [
    change("op-1", "tm000001"),
    invoke("call-1"),
    refusal("call-1", "tasker.conflict")
  ]
  const untouched = { keys: [], events: [], writes: [], cards: new Map<string, number>() }

  it("finds a conflict with a card that no other hand changed", () => {
    assert.deepStrictEqual(found(facts(conflict, untouched)), ["false conflict"])
  })

  it("counts a conflict with a card that a person or another write changed", () => {
    const person: Happening = { ev: "person", issue: "card-1" }
    const verdict = check(facts([conflict[0], person, ...conflict.slice(1)], untouched))
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.counts["conflicts after another hand"], 1)
    const other = facts([change("op-2", "tm000002"), ...conflict], {
      ...untouched,
      writes: [changed("tm000002", 1000)]
    })
    assert.notInclude(found(other), "false conflict")
  })

  it("finds a conflict with the very write whose response the caller expects to stand", () => {
    const before = [
      change("op-2", "tm000002"),
      invoke("call-2", "op-2"),
      reply("call-2", { answer: { issue: { id: "card-1", version: "v2" } } })
    ]
    const expecting = change("op-1", "tm000001", { name: "tm000001", expected_version: "v2" })
    const after = [expecting, ...conflict.slice(1)]
    const writes = [changed("tm000002", 1500)]
    assert.include(found(facts([...before, ...after], { ...untouched, writes })), "false conflict")
    const again = { ...untouched, writes: [...writes, changed("tm000002", 3500)] }
    assert.notInclude(found(facts([...before, ...after], again)), "false conflict")
  })

  it("finds a change that is unresolved though no other hand changed its card", () => {
    const given = facts([change("op-1", "tm000001"), invoke("call-1")], {
      ...untouched,
      keys: [changeKey("op-1", "unresolved")]
    })
    assert.deepStrictEqual(found(given), ["false conflict"])
  })

  it("counts a change that was not sent again since its token was revoked, and finds one whose token was not", () => {
    const revoked = (token: string) =>
      facts(
        [
          change("op-1", "tm000001"),
          invoke("call-1"),
          act({ forbids: { token } }),
          { ev: "acted", act: "act-1" }
        ],
        { ...untouched, keys: [changeKey("op-1", "unresolved")] }
      )
    const verdict = check(revoked("token-1"))
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.explained.get("its token was revoked"), 1)
    assert.deepStrictEqual(found(revoked("token-2")), ["false conflict"])
  })

  it("counts a change that Tasker carried out only in part, and finds one that it ended", () => {
    const effect = "labels card-1 label-1"
    const asked = operation({ key: "key-op-1-1", tool: "tasker_set_labels", effect, issue: "card-1" })
    const unresolved = (whole: boolean) =>
      facts([asked, invoke("call-1")], {
        ...untouched,
        keys: [{ ...changeKey("op-1", "unresolved"), tool: "tasker_set_labels" }],
        writes: [{ ...changed("tm000001", 1500), effect, whole }]
      })
    const verdict = check(unresolved(false))
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.explained.get("Tasker carried it out only in part"), 1)
    assert.include(found(unresolved(true)), "false conflict")
  })

  it("finds a key that is left by a call which was refused", () => {
    const given = facts([operation(), invoke("call-1"), refusal("call-1", "tasker.rate_limited")], {
      ...well,
      keys: [{ ...executed, state: "in_progress" }],
      events: [],
      writes: [],
      cards: new Map()
    })
    assert.include(found(given), "refused calls that left a key")
  })

  it("takes no event that tells a double for a second outcome, and a resent change for one", () => {
    const resent = { ...event("call-1"), reason: "operation.resent" }
    assert.deepStrictEqual(found(facts(once, { events: [resent] })), [])
    assert.deepStrictEqual(found(facts(once, { events: [resent, event("call-2")] })), ["audited twice"])
  })

  it("knows the labels with which a create is completed", () => {
    const holds = ["labels ? label-1"]
    const completed = written({ n: 2, op: "update", effect: "labels card-1 label-1", agent_id: null })
    const given = (op: Happening) =>
      facts([op, invoke("call-1"), reply("call-1")], { writes: [written({ agent_id: null }), completed] })
    assert.deepStrictEqual(found(given(operation({ holds }))), [])
    assert.deepStrictEqual(found(given(operation())), ["done though nobody asked"])
  })
})
