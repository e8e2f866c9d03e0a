import { flushCompileCache } from "node:module"

/**
 * Preloaded into a gateway (`node --import ./test/torture/clock.ts`): its wall clock is off by
 * TORTURE_CLOCK_SHIFT_MS milliseconds for as long as it lives.
 *
 * `Date` is all that is shifted. Timers, timeouts and `performance.now()` go by the monotonic clock, which a
 * wrong wall clock does not move either; TLS, which reads the system's clock in C, is not used here; and
 * PostgreSQL and the reference Tasker have the right time.
 */
const shift = Number(process.env.TORTURE_CLOCK_SHIFT_MS ?? "0")
if (!Number.isSafeInteger(shift)) throw new Error("TORTURE_CLOCK_SHIFT_MS is not a whole number")

const right = Date
const now = () => right.now() + shift

globalThis.Date = new Proxy(right, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
  apply: () => new right(now()).toString(),
  get: (target, name, receiver) => (name === "now" ? now : Reflect.get(target, name, receiver))
})

// What was compiled is kept for the next start: a process that is killed would not come to it.
setTimeout(flushCompileCache, 5000).unref()
