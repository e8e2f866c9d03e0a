import { assert, describe, it } from "@effect/vitest"
import { Breaker, type Ending, isShut, type Leave, type Turn } from "../../src/layers/taskerBreaker.ts"

/** A breaker whose jitter is `random`, with a clock that the test sets. */
const make = (random = 0) => {
  const turns: Array<Turn> = []
  const breaker = new Breaker((turn) => turns.push(turn))
  const clock = { now: 1_000_000 }
  const admit = (isWrite = false) => breaker.admit(clock.now, isWrite)
  const leave = (isWrite = false): Leave => {
    const admitted = admit(isWrite)
    return isShut(admitted) ? assert.fail(`shut for ${admitted.millis} ms`) : admitted
  }
  const shutFor = (isWrite = false) => {
    const admitted = admit(isWrite)
    return isShut(admitted) ? admitted.millis : assert.fail("not shut")
  }
  const end = (given: Leave, ending: Ending) => breaker.end(given, ending, clock.now, () => random)
  const call = (ending: Ending) => end(leave(), ending)
  const calls = (ending: Ending, times: number) => {
    for (let n = 0; n < times; n++) call(ending)
  }
  return { breaker, turns, clock, admit, leave, shutFor, end, call, calls }
}

describe("the breaker before Tasker", () => {
  it("opens at ten failures of ten, and not at nine", () => {
    const { calls, turns, leave, shutFor } = make()
    calls("failed", 9)
    leave()
    assert.deepStrictEqual(turns, [])
    calls("failed", 1)
    assert.strictEqual(shutFor(), 1000)
    assert.deepStrictEqual(turns, [{ _tag: "Opened", failed: 10, calls: 10, millis: 1000 }])
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
    calls("failed", 9)
    clock.now += 30_001
    calls("failed", 9)
    leave()
  })

  it("takes a call that was given up for no failure", () => {
    const { calls, leave } = make()
    calls("untold", 100)
    leave()
  })

  it("lets one call through as a probe, and all once it is answered", () => {
    const { calls, clock, turns, leave, admit, end } = make()
    calls("failed", 10)
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
    const { calls, clock, leave, end } = make()
    calls("failed", 10)
    clock.now += 1000
    end(leave(), "untold")
    assert.isTrue(leave().probe)
  })

  it("doubles the wait with each probe that fails, to half a minute at most", () => {
    const { call, calls, clock, shutFor } = make()
    calls("failed", 10)
    const waits = Array.from({ length: 8 }, () => {
      const millis = shutFor()
      clock.now += millis
      call("failed")
      return millis
    })
    assert.deepStrictEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })

  it("lengthens each wait by up to half at random", () => {
    const { calls, shutFor } = make(0.999)
    calls("failed", 10)
    assert.strictEqual(Math.round(shutFor()), 1500)
  })

  it("waits longer where Tasker fails again right after, and starts over where it held for a while", () => {
    const { call, calls, clock, shutFor } = make()
    const goDown = () => {
      calls("failed", 10)
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

  it("leaves the probe to a read for a second, then a write may be it", () => {
    const { calls, clock, shutFor, leave } = make()
    calls("failed", 10)
    assert.strictEqual(shutFor(true), 2000)
    clock.now += 1000
    assert.strictEqual(shutFor(true), 1000)
    clock.now += 1000
    assert.isTrue(leave(true).probe)
  })

  it("heeds nothing that a call from before tells while it is open or after", () => {
    const { calls, clock, leave, admit, end } = make()
    const older = Array.from({ length: 40 }, () => leave())
    calls("failed", 10)
    for (const given of older.slice(0, 20)) end(given, "answered")
    assert.isTrue(isShut(admit()))
    clock.now += 1000
    end(leave(), "answered")
    for (const given of older.slice(20)) end(given, "failed")
    leave()
  })

  it("holds all calls back for as long as Tasker asks, a minute at most, and tells it once", () => {
    const { breaker, clock, shutFor, leave, turns } = make()
    breaker.hold(5000, clock.now)
    assert.strictEqual(shutFor(), 5000)
    assert.strictEqual(shutFor(true), 5000)
    breaker.hold(2000, clock.now)
    assert.strictEqual(shutFor(), 5000)
    breaker.hold(3_600_000, clock.now)
    assert.strictEqual(shutFor(), 60_000)
    clock.now += 60_000
    leave()
    assert.deepStrictEqual(turns, [{ _tag: "Held", millis: 5000 }])
  })
})
