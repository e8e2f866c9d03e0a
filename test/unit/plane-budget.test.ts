import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as PlaneBudget from "../../src/layers/plane/PlaneBudget.ts"
import type { Counter } from "../../src/layers/plane/planeCounter.ts"
import { emptyWindow, type KeyWindow, usedIn } from "../../src/layers/plane/planeWindow.ts"
import type { Purpose } from "../../src/services/TaskerAdapter.ts"

const limit = 20

/** Rows in memory, by the test's clock. */
interface Rows {
  windows: ReadonlyArray<KeyWindow>
  counts: number
}

const counterOf = (rows: Rows): Counter => ({
  update: (change) =>
    Effect.map(Clock.currentTimeMillis, (millis) => {
      const [changed, result] = change(rows.windows, Math.floor(millis / 1000))
      rows.windows = changed
      rows.counts += 1
      return result
    })
})

const begin = Effect.fnUntraced(function* (keys = 1) {
  const rows: Rows = { windows: Array.from({ length: keys }, () => emptyWindow), counts: 0 }
  yield* TestClock.setTime(1_800_000_000_000)
  const budget = yield* PlaneBudget.make(counterOf(rows), limit, () => true)
  const take = (purpose: Purpose, requests: number, agent = "agent") =>
    budget.take({ agent, purpose, requests }, 60_000)
  /** Takes requests and sends them. */
  const spend = (purpose: Purpose, requests: number, agent = "agent") =>
    Effect.tap(take(purpose, requests, agent), (taken) =>
      budget.settle(
        taken,
        taken.counts.flatMap((count, key) =>
          Array.from({ length: count }, () => ({ key, atMillis: taken.atMillis }))
        )
      )
    )
  const used = Effect.map(Clock.currentTimeMillis, (millis) =>
    rows.windows.reduce((sum, window) => sum + usedIn(window, Math.floor(millis / 1000)), 0)
  )
  return { budget, spend, take, used, counts: Effect.sync(() => rows.counts) }
})

/** Lets every fiber go as far as it can. */
const settleFibers = Effect.repeat(Effect.yieldNow, { times: 50 })

describe("the budget of requests", () => {
  it.effect("writes and reads leave ten requests for settling", () =>
    Effect.gen(function* () {
      const { spend, take } = yield* begin()
      yield* spend("write", 10)
      for (const purpose of ["write", "read"] as const) {
        const refused = yield* Effect.flip(take(purpose, 1))
        assert.deepStrictEqual(refused, { _tag: "NotAsked", because: "budget", millis: 61_000 })
      }
      yield* spend("settle", 10)
      assert.strictEqual((yield* Effect.flip(take("settle", 1))).because, "budget")
    })
  )

  it.effect("calls that wait at the same time are counted together", () =>
    Effect.gen(function* () {
      const { counts, take, used } = yield* begin(3)
      const agents = Array.from({ length: 40 }, (_, at) => `agent-${at}`)
      yield* Effect.forEach(agents, (agent) => take("write", 1, agent), { concurrency: "unbounded" })
      assert.strictEqual(yield* used, 40)
      assert.isAtMost(yield* counts, 3)
    })
  )

  it.effect("the ten are kept back once over all keys", () =>
    Effect.gen(function* () {
      const { take } = yield* begin(3)
      const { counts } = yield* take("write", 3 * limit - 10)
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        50
      )
      assert.isTrue(counts.every((count) => count <= limit))
    })
  )

  it.effect("a call that can be served within five seconds waits, and is then served", () =>
    Effect.gen(function* () {
      const { spend, take } = yield* begin()
      yield* spend("write", 10)
      yield* TestClock.adjust("57 seconds")
      const waiting = yield* Effect.forkChild(take("write", 4))
      yield* settleFibers
      yield* TestClock.adjust("3 seconds")
      yield* settleFibers
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).counts, [4])
    })
  )

  it.effect("a call that can't be served within five seconds is refused at once, with the seconds", () =>
    Effect.gen(function* () {
      const { spend, take } = yield* begin()
      yield* spend("write", 10)
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(yield* Effect.flip(take("write", 1)), {
        _tag: "NotAsked",
        because: "budget",
        millis: 11_000
      })
    })
  )

  it.effect(
    "settling is served if only the ten are free, and the others are refused when their time is over",
    () =>
      Effect.gen(function* () {
        const { spend, take } = yield* begin()
        const order: Array<string> = []
        yield* spend("settle", 10)
        yield* TestClock.adjust("58 seconds")
        yield* spend("settle", 10, "other")
        const asked: ReadonlyArray<readonly [Purpose, string]> = [
          ["read", "reader"],
          ["write", "flood"],
          ["write", "flood"],
          ["write", "late"],
          ["settle", "recovery"]
        ]
        const waiting = yield* Effect.forEach(asked, ([purpose, agent]) =>
          Effect.forkChild(
            Effect.andThen(
              take(purpose, 1, agent),
              Effect.sync(() => order.push(`${agent} ${purpose}`))
            )
          )
        )
        yield* settleFibers
        assert.deepStrictEqual(order, [])
        // The first ten are over; writes and reads may not use the ten that are then free.
        yield* TestClock.adjust("4 seconds")
        yield* settleFibers
        assert.deepStrictEqual(order, ["recovery settle"])
        yield* TestClock.adjust("2 seconds")
        yield* settleFibers
        assert.deepStrictEqual(
          waiting.map((fiber) => {
            const exit = fiber.pollUnsafe()
            return exit === undefined ? "waits" : Exit.isSuccess(exit) ? "served" : "refused"
          }),
          ["refused", "refused", "refused", "refused", "served"]
        )
      })
  )

  it.effect("writes are served before reads that came earlier, and agents in turns", () =>
    Effect.gen(function* () {
      const { spend, take } = yield* begin()
      const order: Array<string> = []
      yield* spend("write", 10)
      yield* TestClock.adjust("58 seconds")
      yield* Effect.forEach(["read a", "write a", "write a", "write b"], (one) => {
        const [purpose = "", agent = ""] = one.split(" ")
        const taking = take(purpose as Purpose, 1, agent)
        return Effect.forkChild(
          Effect.andThen(
            taking,
            Effect.sync(() => order.push(one))
          )
        )
      })
      yield* settleFibers
      yield* TestClock.adjust("3 seconds")
      yield* settleFibers
      assert.deepStrictEqual(order, ["write a", "write b", "write a", "read a"])
    })
  )

  it.effect("a call waits for requests that another holds, and is served when they are given back", () =>
    Effect.gen(function* () {
      const { budget, spend, take } = yield* begin()
      yield* spend("write", 4)
      const held = yield* take("write", 6)
      const waiting = yield* Effect.forkChild(take("write", 3))
      yield* settleFibers
      assert.isUndefined(waiting.pollUnsafe())
      yield* budget.settle(held, [{ key: 0, atMillis: held.atMillis }])
      yield* settleFibers
      assert.deepStrictEqual((yield* Fiber.join(waiting)).counts, [3])
    })
  )

  it.effect("a call that is given up takes nothing, also in the moment in which it is served", () =>
    Effect.gen(function* () {
      const { spend, take, used } = yield* begin()
      yield* spend("write", 10)
      yield* TestClock.adjust("58 seconds")
      const waiting = yield* Effect.forkChild(take("write", 4))
      yield* settleFibers
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("10 seconds")
      yield* settleFibers
      assert.strictEqual(yield* used, 0)
    })
  )

  it.effect("what a call did not send is given back, and what it sent later counts from then", () =>
    Effect.gen(function* () {
      const { budget, take, used } = yield* begin()
      const taken = yield* take("write", 8)
      yield* budget.settle(taken, [
        { key: 0, atMillis: taken.atMillis },
        { key: 0, atMillis: taken.atMillis + 5000 }
      ])
      assert.strictEqual(yield* used, 2)
      yield* TestClock.adjust("62 seconds")
      assert.strictEqual(yield* used, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* used, 0)
    })
  )

  it.effect("a key that Plane holds is not used until its time, and another key is", () =>
    Effect.gen(function* () {
      const { budget, take } = yield* begin(2)
      yield* budget.hold(0, 30)
      assert.deepStrictEqual((yield* take("settle", 5)).counts, [0, 5])
      yield* TestClock.adjust(Duration.seconds(31))
      assert.deepStrictEqual((yield* take("settle", 2)).counts, [2, 0])
    })
  )

  it.effect("a smaller number of Plane's is believed, a larger one is not", () =>
    Effect.gen(function* () {
      const { budget, spend, take, used } = yield* begin()
      yield* spend("write", 5)
      yield* budget.correct(0, 100)
      assert.strictEqual(yield* used, 5)
      yield* budget.correct(0, 3)
      assert.strictEqual(yield* used, 17)
      assert.strictEqual((yield* Effect.flip(take("write", 1))).because, "budget")
    })
  )
})
