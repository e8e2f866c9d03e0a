import { assert, describe, it } from "@effect/vitest"
import {
  event,
  executed,
  facts,
  found,
  invoke,
  operation,
  reply,
  written
} from "../support/torture-records.ts"
import { check, type Facts } from "../torture/check/Checker.ts"
import type { Happening } from "../torture/History.ts"

const states = ["one", "two"] as const
const effectOf = (state: string) => `move card-1 ${state}`

const move = (state: string): Happening =>
  operation({
    op: `op-${state}`,
    key: `key-${state}`,
    tool: "tasker_move_issue",
    effect: effectOf(state),
    issue: "card-1"
  })
const told = (state: string): ReadonlyArray<Happening> => [
  invoke(`call-${state}`, `op-${state}`),
  reply(`call-${state}`, { answer: { issue: { id: "card-1" } } })
]
const sent = (state: string): Happening => ({
  ev: "sent",
  send: `send-${state}`,
  instance: 0,
  op: "update",
  effects: [effectOf(state)]
})

/** Two moves of card-1, both executed and on record, the second one begun at the twelfth second, and what it shows. */
const moves = (shown: string, before: ReadonlyArray<Happening>, after: ReadonlyArray<Happening>): Facts => {
  const pause = Array.from(
    { length: 12 - before.length },
    (): Happening => ({ ev: "phase", phase: "a second" })
  )
  return {
    ...facts([...before, ...pause, ...after], {
      keys: states.map((state) => ({ ...executed, key: `key-${state}`, tool: "tasker_move_issue" })),
      events: states.map((state) => ({ ...event(`call-${state}`), idempotency_key: `key-${state}` })),
      writes: [
        written({ op: "update", effect: effectOf("one"), at: 1000 }),
        written({ n: 2, op: "update", effect: effectOf("two"), at: 14_000 })
      ],
      cards: new Map(),
      standing: new Map([["card-1", [effectOf(shown)]]])
    }),
    repeatsChanges: true
  }
}

const first = [move("one"), ...told("one")]
const second = [move("two"), ...told("two")]

describe("the checker of the torture run, of what stands on a card at the end", () => {
  it("finds nothing if a card shows the last acknowledged move", () => {
    assert.deepStrictEqual(found(moves("two", first, second)), [])
  })

  it("finds an acknowledged move lost if its card shows the move before", () => {
    assert.deepStrictEqual(found(moves("one", first, second)), ["lost"])
  })

  it("finds acknowledged moves lost if their card shows neither", () => {
    assert.lengthOf(check(moves("three", first, second)).findings, 2)
  })

  it("finds nothing if the move before was never acknowledged and can have arrived later", () => {
    const given = moves("one", first.slice(0, 2), second)
    assert.deepStrictEqual(found(given), [])
  })

  it("finds nothing if a request of the move before can still have been on its way", () => {
    assert.deepStrictEqual(found(moves("one", [...first, ...Array(9).fill(sent("one"))], second)), [])
  })

  it("counts a move that a person's whole-row write has undone", () => {
    const given = moves("one", first, [...second, { ev: "person", issue: "card-1" }])
    assert.deepStrictEqual(found(given), [])
    assert.strictEqual(check(given).counts["undone by a whole-row write of another hand"], 1)
  })
})
