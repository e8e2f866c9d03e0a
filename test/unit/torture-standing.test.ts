import { assert, describe, it } from "@effect/vitest"
import { act, executed, facts, invoke, once, reply } from "../support/torture-records.ts"
import type { Facts } from "../torture/check/Checker.ts"
import { standing } from "../torture/check/Standing.ts"
import type { Happening } from "../torture/History.ts"

const rules = (given: Facts) => [...new Set(standing(given).map(({ rule }) => rule))]

describe("findings while keys are still being settled", () => {
  it("a finding stands if nothing is left to do under its key", () => {
    assert.deepStrictEqual(rules(facts(once, { events: [] })), ["unaudited"])
  })

  it("a finding does not stand while its key is in doubt or waits for its second look", () => {
    assert.deepStrictEqual(rules(facts(once, { events: [], keys: [{ ...executed, pending: true }] })), [])
  })

  it("a finding about several keys does not stand while one of them is pending", () => {
    const twin: Happening = { ...(once[0] as Happening & { ev: "operation" }), op: "op-2", key: "key-two-1" }
    const both = [...once, { ...twin, twin_of: "op-1" }, invoke("call-2", "op-2"), reply("call-2")]
    const settled = facts(both, { keys: [executed, { ...executed, key: "key-two-1" }] })
    assert.include(rules(settled), "let through in other words")
    const pending = facts(both, { keys: [executed, { ...executed, key: "key-two-1", pending: true }] })
    assert.notInclude(rules(pending), "let through in other words")
  })

  it("a call that got through after its token was revoked stands though it has no key", () => {
    const read = invoke("call-2", null)
    const revoked = act({ forbids: { token: "token-1" } })
    const told: ReadonlyArray<Happening> = [...once, revoked, { ev: "acted", act: "act-1" }, read]
    assert.deepStrictEqual(rules(facts([...told, reply("call-2", { answer: null })])), [
      "passed after a revocation was acknowledged"
    ])
  })

  it("an undecided key of which no client tells does not stand", () => {
    const other = { ...executed, key: "key-other-1", state: "unknown", pending: true }
    assert.deepStrictEqual(rules(facts(once, { keys: [executed, other] })), [])
  })
})
