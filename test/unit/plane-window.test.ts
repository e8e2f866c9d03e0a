import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import {
  allot,
  corrected,
  emptyWindow,
  freeIn,
  type KeyWindow,
  secondsUntil,
  usedIn,
  windowSeconds,
  withRequests
} from "../../src/layers/plane/planeWindow.ts"

const start = 1_800_000_000
const limit = 60
const terms = { limit, keptBack: 0 }

/** Times at which a client asks for requests, as steps in seconds. */
const asking = fc.array(fc.record({ step: fc.nat(20), requests: fc.integer({ min: 1, max: 12 }) }), {
  maxLength: 80
})
const keys = fc.integer({ min: 1, max: 3 })

const add = (windows: ReadonlyArray<KeyWindow>, counts: ReadonlyArray<number>, now: number) =>
  windows.map((window, key) => withRequests(window, now, counts[key] ?? 0, now))

describe("a key's window", () => {
  it("no key is given more than its limit in any sixty seconds", () => {
    fc.assert(
      fc.property(asking, keys, (steps, count) => {
        let windows: ReadonlyArray<KeyWindow> = Array.from({ length: count }, () => emptyWindow)
        const sent: Array<{ readonly at: number; readonly key: number; readonly n: number }> = []
        let now = start
        for (const { requests, step } of steps) {
          now += step
          const counts = allot(windows, requests, terms, now)
          if (counts === undefined) continue
          windows = add(windows, counts, now)
          for (const [key, n] of counts.entries()) sent.push({ at: now, key, n })
        }
        for (const { at, key } of sent) {
          const within = sent.filter((one) => one.key === key && one.at >= at && one.at < at + 60)
          assert.isAtMost(
            within.reduce((sum, { n }) => sum + n, 0),
            limit
          )
        }
      })
    )
  })

  it("what is allotted is what was asked, and is refused only if too few are free over all keys", () => {
    fc.assert(
      fc.property(asking, keys, fc.nat(10), (steps, count, keptBack) => {
        let windows: ReadonlyArray<KeyWindow> = Array.from({ length: count }, () => emptyWindow)
        let now = start
        for (const { requests, step } of steps) {
          now += step
          const free = windows.reduce((sum, window) => sum + freeIn(window, limit, now), 0)
          const counts = allot(windows, requests, { limit, keptBack }, now)
          assert.strictEqual(counts !== undefined, requests <= free - keptBack)
          if (counts === undefined) continue
          assert.strictEqual(
            counts.reduce((sum, n) => sum + n, 0),
            requests
          )
          windows = add(windows, counts, now)
        }
      })
    )
  })

  it("the advised wait is the first second in which the same request is allotted", () => {
    fc.assert(
      fc.property(asking, keys, (steps, count) => {
        let windows: ReadonlyArray<KeyWindow> = Array.from({ length: count }, () => emptyWindow)
        let now = start
        for (const { requests, step } of steps) {
          now += step
          const counts = allot(windows, requests, terms, now)
          if (counts !== undefined) {
            windows = add(windows, counts, now)
            continue
          }
          const seconds = secondsUntil(windows, requests, terms, now)
          assert.isAtLeast(seconds, 1)
          assert.isDefined(allot(windows, requests, terms, now + seconds))
          assert.isUndefined(allot(windows, requests, terms, now + seconds - 1))
        }
      })
    )
  })

  it("giving requests back leaves the window as it was before they were taken", () => {
    fc.assert(
      fc.property(fc.nat(30), fc.integer({ min: 1, max: 30 }), fc.nat(50), (before, taken, later) => {
        const window = withRequests(emptyWindow, start, before, start)
        const now = start + later
        const back = withRequests(withRequests(window, start, taken, start), start, -taken, now)
        assert.strictEqual(usedIn(back, now), usedIn(window, now))
      })
    )
  })

  it("a request counts for 61 seconds and no longer", () => {
    const window = withRequests(emptyWindow, start, 1, start)
    assert.strictEqual(usedIn(window, start + windowSeconds - 1), 1)
    assert.strictEqual(usedIn(window, start + windowSeconds), 0)
  })

  it("a smaller number of Plane's takes away what is free, and a larger one adds nothing", () => {
    const window = withRequests(emptyWindow, start, 10, start)
    assert.strictEqual(freeIn(corrected(window, limit, 3, start + 1), limit, start + 1), 3)
    assert.strictEqual(freeIn(corrected(window, limit, 55, start + 1), limit, start + 1), 50)
  })

  it("a held key has nothing free until its time", () => {
    const held = { ...emptyWindow, heldUntil: start + 30 }
    assert.isUndefined(allot([held], 1, terms, start))
    assert.deepStrictEqual(allot([held, emptyWindow], 2, terms, start), [0, 2])
    assert.strictEqual(secondsUntil([held], 1, terms, start), 30)
  })

  it("more than the limit is never allotted, and the advice stays within a minute", () => {
    assert.isUndefined(allot([emptyWindow], limit + 1, terms, start))
    assert.isAtMost(secondsUntil([emptyWindow], limit + 1, terms, start), windowSeconds)
  })
})
