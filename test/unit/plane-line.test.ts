import { assert, describe, it } from "@effect/vitest"
import { Deferred } from "effect"
import { next, type Waiter } from "../../src/layers/plane/planeLine.ts"
import type { Purpose } from "../../src/services/TaskerAdapter.ts"

let arrivals = 0
const waiting = (agent: string, purpose: Purpose, requests = 1): Waiter<never, never> => ({
  asking: { agent, purpose, requests },
  order: ++arrivals,
  deadline: 0,
  advisedMillis: 0,
  done: Deferred.makeUnsafe()
})

/** Agents in the order in which they are served. */
const served = (line: ReadonlyArray<Waiter<never, never>>): ReadonlyArray<string> => {
  const left = new Set(line)
  const turns = new Map<string, number>()
  const order: Array<string> = []
  for (let turn = 1; ; turn++) {
    const first = next(left, turns)
    if (first === undefined) return order
    left.delete(first)
    turns.set(first.asking.agent, turn)
    order.push(`${first.asking.agent} ${first.asking.purpose}`)
  }
}

describe("the calls that wait for requests", () => {
  it("settling is served before writes, and writes before reads", () => {
    assert.deepStrictEqual(served([waiting("a", "read"), waiting("b", "write"), waiting("c", "settle")]), [
      "c settle",
      "b write",
      "a read"
    ])
  })

  it("agents take turns, however many calls one of them has", () => {
    const flood = Array.from({ length: 3 }, () => waiting("flood", "write"))
    assert.deepStrictEqual(served([...flood, waiting("late", "write")]), [
      "flood write",
      "late write",
      "flood write",
      "flood write"
    ])
  })

  it("a call that needs less does not pass one that needs more", () => {
    assert.deepStrictEqual(served([waiting("a", "write", 8), waiting("b", "write", 1)]), [
      "a write",
      "b write"
    ])
  })
})
