import { Clock, Effect } from "effect"

/** The clock of a process that can be made to stand still: it goes on later, and its timers have not fired yet. */
export interface Leap {
  readonly clock: Clock.Clock
  /** Both clocks go on by so much. */
  readonly leap: (millis: number) => Effect.Effect<void>
  /** Somebody sets the wall clock, or the machine was suspended, which the monotonic clock does not count. */
  readonly set: (millis: number) => Effect.Effect<void>
  /** Time passes, and the wall clock is set back by as much. */
  readonly pass: (millis: number) => Effect.Effect<void>
}

export const leaping: Effect.Effect<Leap> = Effect.map(Clock.Clock, (real): Leap => {
  let wall = 0
  let passed = 0
  const millis = () => real.currentTimeMillisUnsafe() + wall
  const nanos = () => real.currentTimeNanosUnsafe() + BigInt(wall) * 1_000_000n
  const monotonic = () => real.monotonicTimeNanosUnsafe() + BigInt(passed) * 1_000_000n
  return {
    clock: {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => real.sleep(duration)
    },
    leap: (by) =>
      Effect.sync(() => {
        wall += by
        passed += by
      }),
    set: (by) =>
      Effect.sync(() => {
        wall += by
      }),
    pass: (by) =>
      Effect.sync(() => {
        passed += by
      })
  }
})
