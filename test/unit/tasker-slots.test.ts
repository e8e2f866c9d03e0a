import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isFull, type Place, Slots, type Waiter } from "../../src/layers/tasker/taskerSlots.ts"

const bounds = { underWay: 4, underWayOfOne: 2, waiting: 6, waitingOfOne: 3 }
const patience = 1000

interface Caller extends Waiter {
  readonly agent: string
  served: boolean
}

const make = () => {
  const slots = new Slots<Caller>(bounds)
  const order: Array<string> = []
  const enter = (agent: string, now = 0) => {
    const caller: Caller = {
      agent,
      served: false,
      onSlot: () => {
        caller.served = true
        order.push(agent)
      }
    }
    return slots.enter(agent, now, patience, caller)
  }
  const place = (agent: string, now = 0): Place<Caller> => {
    const entered = enter(agent, now)
    return isFull(entered) ? assert.fail(`full of ${entered.of}`) : entered
  }
  return { slots, order, enter, place }
}

describe("the slots of calls to Tasker", () => {
  it("let one agent have its part, and the others theirs at once", () => {
    const { place, enter } = make()
    const flood = Array.from({ length: 5 }, () => place("flood"))
    assert.deepStrictEqual(
      flood.map(({ since }) => since !== undefined),
      [true, true, false, false, false]
    )
    assert.deepInclude(enter("flood"), { _tag: "Full", of: "agent" })
    assert.isDefined(place("other").since)
  })

  it("are given in turns, so that a single call passes the long line of another agent", () => {
    const { place, order, slots } = make()
    const busy = [place("a"), place("a"), place("b"), place("b")]
    for (const agent of ["a", "a", "a", "b", "c"]) place(agent)
    const [first, second, third] = busy
    for (const [now, freed] of [first, third, second].entries()) {
      if (freed !== undefined) slots.leave(freed, now)
    }
    assert.deepStrictEqual(order, ["a", "b", "c"])
  })

  it("refuse who comes when as many wait as may", () => {
    const { place, enter } = make()
    for (const agent of ["a", "a", "b", "b", "a", "a", "a", "b", "b", "b"]) place(agent)
    assert.deepInclude(enter("c"), { _tag: "Full", of: "all" })
  })

  it("refuse at once who would wait longer than makes sense, by what calls have taken", () => {
    const { place, enter, slots } = make()
    for (let n = 0; n < 100; n++) slots.leave(place("a", 0), 10_000)
    const busy = [place("a"), place("a"), place("b"), place("b")]
    const entered = enter("c")
    if (!isFull(entered)) return assert.fail("let in")
    assert.strictEqual(entered.of, "all")
    assert.approximately(entered.millis, 2500, 50)
    for (const one of busy) slots.leave(one, 10_000)
    assert.isDefined(place("c").since)
  })

  it("never exceed their bounds, leave no slot unused that somebody waits for, and leak nothing", () => {
    const step = fc.record({
      agent: fc.constantFrom("a", "b", "c", "d"),
      leaves: fc.nat(20),
      enters: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { slots, enter } = make()
        const places: Array<Place<Caller>> = []
        const count = (isUnderWay: boolean, agent?: string) =>
          places.filter(
            ({ since, waiter }) =>
              (since !== undefined) === isUnderWay && (agent === undefined || waiter.agent === agent)
          ).length
        const leave = (index: number) => {
          const [place] = places.splice(index, 1)
          if (place !== undefined) slots.leave(place, 0)
        }
        for (const { agent, enters, leaves } of steps) {
          if (enters) {
            const entered = enter(agent)
            if (isFull(entered)) {
              const isOwn = count(false, agent) === bounds.waitingOfOne
              assert.strictEqual(isOwn || count(false) === bounds.waiting, true)
            } else places.push(entered)
          } else leave(leaves % Math.max(1, places.length))
          assert.isAtMost(count(true), bounds.underWay)
          assert.isAtMost(count(false), bounds.waiting)
          for (const one of ["a", "b", "c", "d"]) {
            assert.isAtMost(count(true, one), bounds.underWayOfOne)
            const isIdle = count(true) < bounds.underWay && count(true, one) < bounds.underWayOfOne
            if (isIdle) assert.strictEqual(count(false, one), 0)
          }
          assert.strictEqual(slots.line().length, count(false))
        }
        while (places.length > 0) leave(0)
        const again = ["a", "a", "b", "b"].map((agent) => enter(agent))
        assert.isTrue(again.every((entered) => !isFull(entered) && entered.since !== undefined))
      })
    )
  })
})
