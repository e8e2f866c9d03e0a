import { assert, describe, it } from "@effect/vitest"
import {
  type Asking,
  Breaker,
  type Ending,
  isShut,
  type Leave,
  type Turn
} from "../../src/layers/tasker/taskerBreaker.ts"

const read: Asking = { agent: "one", kind: "read" }
const write: Asking = { ...read, kind: "write" }
const look: Asking = { ...read, kind: "look" }
const anothers: Asking = { agent: "another", kind: "read" }
const agents = (...names: ReadonlyArray<string>): ReadonlyArray<Asking> =>
  names.map((agent) => ({ agent, kind: "read" }))

/** A breaker whose jitter is `random`, with a clock that the test sets. */
const make = (random = 0) => {
  const turns: Array<Turn> = []
  const breaker = new Breaker((turn) => turns.push(turn))
  const clock = { now: 1_000_000 }
  const admit = (asking = read) => breaker.admit(clock.now, asking)
  const leave = (asking = read): Leave => {
    const admitted = admit(asking)
    return isShut(admitted) ? assert.fail(`shut for ${admitted.millis} ms`) : admitted
  }
  const shutFor = (asking = read) => {
    const admitted = admit(asking)
    return isShut(admitted) ? admitted.millis : assert.fail("not shut")
  }
  const end = (given: Leave, ending: Ending, asking = read) =>
    breaker.end(given, asking, ending, clock.now, () => random)
  const call = (ending: Ending, asking = read) => end(leave(asking), ending, asking)
  const calls = (ending: Ending, times: number, asking = read) => {
    for (let n = 0; n < times; n++) call(ending, asking)
  }
  /** The calls of two agents fail: of one alone it would be a suspect. */
  const open = () => {
    call("failed", anothers)
    while (breaker.shut(clock.now) === undefined) call("failed")
  }
  return { breaker, turns, clock, admit, leave, shutFor, end, call, calls, open }
}

describe("the breaker before Tasker", () => {
  it("opens where half of twenty calls failed, and not before", () => {
    const { call, calls, turns, leave, shutFor } = make()
    calls("answered", 10)
    calls("failed", 9)
    leave()
    assert.deepStrictEqual(turns, [])
    call("failed", anothers)
    assert.strictEqual(shutFor(), 1000)
    assert.deepStrictEqual(turns, [{ _tag: "Opened", failed: 10, calls: 20, millis: 1000 }])
  })

  it("stays closed while fewer than half of the calls fail", () => {
    const { call, leave } = make()
    for (let n = 0; n < 300; n++) call(n % 5 === 1 || n % 5 === 3 ? "failed" : "answered")
    leave()
  })

  it("opens soon after Tasker goes down in the middle of many calls", () => {
    const { call, calls, admit } = make()
    calls("answered", 10_000)
    let failures = 0
    while (!isShut(admit())) {
      call("failed")
      failures++
    }
    assert.strictEqual(failures, 25)
  })

  it("forgets what is older than half a minute", () => {
    const { calls, clock, leave } = make()
    calls("failed", 19)
    clock.now += 30_001
    calls("failed", 19)
    leave()
  })

  it("takes a call that was given up for no failure", () => {
    const { calls, leave } = make()
    calls("untold", 100)
    leave()
  })

  it("lets one call through as a probe, and all once it is answered", () => {
    const { clock, turns, leave, admit, end, open } = make()
    open()
    clock.now += 1000
    const probe = leave()
    assert.isTrue(probe.probe)
    assert.isTrue(isShut(admit()))
    end(probe, "answered")
    assert.isFalse(leave().probe)
    assert.deepStrictEqual(
      turns.map(({ _tag }) => _tag),
      ["Opened", "Probing", "Closed"]
    )
  })

  it("lets the next call probe where the probe was given up", () => {
    const { clock, leave, end, open } = make()
    open()
    clock.now += 1000
    end(leave(), "untold")
    assert.isTrue(leave().probe)
  })

  it("doubles the wait with each probe that fails, to half a minute at most", () => {
    const { call, clock, shutFor, open } = make()
    open()
    const waits = Array.from({ length: 8 }, () => {
      const millis = shutFor()
      clock.now += millis
      call("failed")
      return millis
    })
    assert.deepStrictEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })

  it("lengthens each wait by up to half at random", () => {
    const { shutFor, open } = make(0.999)
    open()
    assert.strictEqual(Math.round(shutFor()), 1500)
  })

  it("waits longer where Tasker fails again right after, and starts over where it held for a while", () => {
    const { call, clock, shutFor, open } = make()
    const goDown = () => {
      open()
      const millis = shutFor()
      clock.now += millis
      call("answered")
      return millis
    }
    assert.strictEqual(goDown(), 1000)
    assert.strictEqual(goDown(), 2000)
    clock.now += 2000
    assert.strictEqual(goDown(), 1000)
  })

  it("lets a read probe first, and a write after another second", () => {
    const { clock, shutFor, leave, open } = make()
    open()
    assert.strictEqual(shutFor(write), 2000)
    clock.now += 1000
    assert.strictEqual(shutFor(write), 1000)
    clock.now += 1000
    assert.isTrue(leave(write).probe)
  })

  it("heeds nothing that a call from before tells while it is open or after", () => {
    const { clock, leave, admit, end, open } = make()
    const older = Array.from({ length: 40 }, () => leave())
    open()
    for (const given of older.slice(0, 20)) end(given, "answered")
    assert.isTrue(isShut(admit()))
    clock.now += 1000
    end(leave(), "answered")
    for (const given of older.slice(20)) end(given, "failed")
    leave()
  })

  it("stays closed to all where the calls of one agent alone fail and others' are answered", () => {
    const { call, calls, leave } = make()
    for (let n = 0; n < 100; n++) {
      call("answered", anothers)
      calls("failed", 20)
    }
    leave()
    leave(anothers)
  })

  it("stays closed to all where a flood of one agent's failures comes between others' answers", () => {
    const { call, calls, clock, leave } = make()
    for (let n = 0; n < 20; n++) {
      call("answered", anothers)
      calls("failed", 300)
      clock.now += 5000
    }
    call("answered", anothers)
    calls("failed", 300)
    leave()
    leave(anothers)
  })

  it("stays closed to all while the calls of several agents fail and another agent's are answered", () => {
    const { call, leave } = make()
    for (let n = 0; n < 100; n++) {
      for (const failing of agents("two", "three", "four")) call("failed", failing)
      if (n % 10 === 0) call("answered", anothers)
    }
    leave()
    leave(anothers)
  })

  it("opens if the agent that was answered meanwhile fails too", () => {
    const { admit, call, leave } = make()
    call("answered", anothers)
    for (let n = 0; n < 100; n++) {
      for (const failing of agents("two", "three")) call("failed", failing)
    }
    leave()
    call("failed", anothers)
    assert.isTrue(isShut(admit()))
  })

  it("stays closed whatever look-ups fail, and counts those that are answered", () => {
    const { admit, call, calls, leave } = make()
    calls("failed", 100, look)
    leave()
    calls("answered", 20, look)
    calls("failed", 19)
    leave()
    call("failed")
    assert.isTrue(isShut(admit()))
  })

  it("never takes a look-up for its probe", () => {
    const { breaker, call, clock, leave, open, shutFor } = make()
    open()
    assert.isFalse(breaker.isProbeDue(clock.now))
    clock.now += 10_000
    assert.isTrue(breaker.isProbeDue(clock.now))
    assert.strictEqual(shutFor(look), 1000)
    const probe = leave()
    assert.isTrue(probe.probe)
    assert.isFalse(breaker.isProbeDue(clock.now))
    breaker.end(probe, read, "answered", clock.now, () => 0)
    call("answered", look)
  })

  it("opens where others have not been answered for long", () => {
    const { admit, call, clock } = make()
    call("answered", anothers)
    clock.now += 11_000
    while (!isShut(admit())) call("failed")
  })

  it("is not held back by a wait that is over", () => {
    const { breaker, clock, leave, turns } = make()
    breaker.hold(0, clock.now)
    breaker.hold(-5, clock.now)
    leave()
    assert.deepStrictEqual(turns, [])
  })

  it("lets another agent probe first where the calls of one alone had failed, and then stays closed", () => {
    const { call, calls, clock, shutFor, leave } = make()
    calls("failed", 20)
    assert.strictEqual(shutFor(anothers), 1000)
    assert.strictEqual(shutFor(), 2000)
    clock.now += 1000
    assert.strictEqual(shutFor(), 1000)
    call("answered", anothers)
    calls("failed", 40)
    leave(anothers)
  })

  it("holds all calls back for as long as Tasker asks, a minute at most, and tells it once", () => {
    const { breaker, clock, shutFor, leave, turns } = make()
    breaker.hold(5000, clock.now)
    assert.strictEqual(shutFor(), 5000)
    assert.strictEqual(shutFor(write), 5000)
    breaker.hold(2000, clock.now)
    assert.strictEqual(shutFor(), 5000)
    breaker.hold(3_600_000, clock.now)
    assert.strictEqual(shutFor(), 60_000)
    clock.now += 60_000
    leave()
    assert.deepStrictEqual(turns, [{ _tag: "Held", millis: 5000 }])
  })
})
