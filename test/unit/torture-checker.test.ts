import { assert, describe, it } from "@effect/vitest"
import {
  act,
  agent,
  event,
  executed,
  facts,
  found,
  invoke,
  narrowed,
  once,
  operation,
  refusal,
  reply,
  written
} from "../support/torture-records.ts"
import { check, type Facts, type Rule } from "../torture/check/Checker.ts"

const wrong: Readonly<Record<string, readonly [Facts, Rule]>> = {
  "a write that stands in Tasker twice": [
    facts(once, { writes: [written(), written({ n: 2, issue_id: "card-2" })] }),
    "doubled untold"
  ],
  "two cards where one write is on Tasker's list": [
    facts(once, { cards: new Map([["tm000001", 2]]) }),
    "doubled untold"
  ],
  "an acknowledged write that is not in Tasker": [facts(once, { writes: [] }), "lost"],
  "a write that was refused and done": [
    facts([operation(), invoke("call-1"), refusal("call-1", "tasker.rejected")]),
    "refused but done"
  ],
  "an acknowledged write whose key is gone": [facts(once, { keys: [] }), "acknowledged but not on record"],
  "an answer with another card": [
    facts([operation(), invoke("call-1"), reply("call-1", { answer: { issue: { id: "card-9" } } })]),
    "answered with something else"
  ],
  "a write without its event": [facts(once, { events: [] }), "unaudited"],
  "a success whose own call left no event": [facts(once, { events: [event("another-call")] }), "unaudited"],
  "a write that is done and on record as not done": [
    facts([operation(), invoke("call-1")], {
      keys: [{ ...executed, state: "not_executed" }],
      events: [event("call-1", "failed")]
    }),
    "unaudited"
  ],
  "an event of a write that is not in Tasker": [
    facts([operation(), invoke("call-1")], { writes: [] }),
    "audited but not done"
  ],
  "two events of one write": [facts(once, { events: [event("call-1"), event("call-2")] }), "audited twice"],
  "two answers for one key": [
    facts([
      ...once,
      invoke("call-2"),
      reply("call-2", { answer: { issue: { id: "card-1", name: "Another" }, replayed: true } })
    ]),
    "replies that differ for one key"
  ],
  "a key that was answered for two writes": [
    facts([
      ...once,
      operation({ op: "op-2", effect: "create tm000002" }),
      invoke("call-2", "op-2"),
      reply("call-2")
    ]),
    "replies that differ for one key"
  ],
  "a call with a token that was revoked": [
    facts([
      ...once.slice(0, 1),
      act({ forbids: { token: "token-1" } }),
      { ev: "acted", act: "act-1" },
      ...once.slice(1)
    ]),
    "passed after a revocation was acknowledged"
  ],
  "a call beyond a grant that was narrowed": [
    facts([...once.slice(0, 1), act({ forbids: narrowed }), { ev: "acted", act: "act-1" }, ...once.slice(1)]),
    "passed after a revocation was acknowledged"
  ],
  "a write sent long after its agent was disabled for good": [
    {
      ...facts([...once, act({ forbids: { agent } }), { ev: "acted", act: "act-1" }], {
        writes: [written({ at: 60_000 })]
      }),
      retired: new Set([agent])
    },
    "sent after the agent was disabled"
  ],
  "a repetition in other words that was let through": [
    facts(
      [
        ...once,
        operation({ op: "op-2", key: "key-two-2", effect: "create tm000002", twin_of: "op-1" }),
        invoke("call-2", "op-2"),
        reply("call-2")
      ],
      { writes: [written(), written({ n: 2, effect: "create tm000002" })] }
    ),
    "let through in other words"
  ],
  "a write of an agent's that it never asked for": [
    facts(once, { writes: [written(), written({ n: 2, effect: "create tm000009" })] }),
    "done though nobody asked"
  ],
  "a key that nobody knows anything against and that is undecided": [
    facts([operation(), invoke("call-1")], {
      keys: [{ ...executed, state: "unknown" }],
      events: [event("call-1", "unknown")]
    }),
    "unresolved without a reason"
  ]
}

describe("the checker of the torture run", () => {
  it("has nothing to say of a write that is told, on record and in Tasker once", () => {
    const verdict = check(facts(once))
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.counts["acknowledged writes"], 1)
  })

  it.each(Object.entries(wrong))("finds %s", (_, [given, rule]) => {
    assert.include(found(given), rule)
  })

  it("finds nothing in a write that nobody was told of and that is on record", () => {
    const verdict = check(facts([operation(), invoke("call-1")]))
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.counts["unacknowledged but done"], 1)
  })

  it("takes it for no answer twice where less is shown for want of a scope", () => {
    const bare = reply("call-2", { answer: { issue: { id: "card-1" }, replayed: true } })
    const records = { events: [event("call-1"), event("call-2", "replayed")] }
    assert.deepStrictEqual(found(facts([...once, invoke("call-2"), bare], records)), [])
  })

  it("holds nothing against a call after a grant was widened again", () => {
    const again = [
      ...once.slice(0, 1),
      act({ forbids: narrowed }),
      { ev: "acted", act: "act-1" } as const,
      act({ act: "act-2", allows: narrowed }),
      ...once.slice(1)
    ]
    assert.deepStrictEqual(found(facts(again)), [])
  })

  it("leaves a change open whose card was changed by another write since", () => {
    const change = (op: string, mark: string) =>
      operation({
        op,
        key: `key-${op}-1`,
        tool: "tasker_update_issue",
        effect: `update card-1 ${mark}`,
        issue: "card-1"
      })
    const verdict = check(
      facts(
        [change("op-1", "tm000001"), invoke("call-1"), change("op-2", "tm000002"), invoke("call-2", "op-2")],
        {
          keys: [
            { ...executed, key: "key-op-1-1", tool: "tasker_update_issue", state: "unknown" },
            { ...executed, key: "key-op-2-1", tool: "tasker_update_issue" }
          ],
          events: [{ ...event("call-2"), idempotency_key: "key-op-2-1" }],
          writes: [written({ op: "update", effect: "update card-1 tm000002" })],
          cards: new Map()
        }
      )
    )
    assert.deepStrictEqual(verdict.findings, [])
    assert.strictEqual(verdict.explained.get("its card was changed meanwhile"), 1)
  })
})
