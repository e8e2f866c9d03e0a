import { Clock, Effect } from "effect"

/** The clock of a process that can be made to stand still: it goes on later, and its timers have not fired yet. */
export interface Leap {
  readonly clock: Clock.Clock
  readonly leap: (millis: number) => Effect.Effect<void>
}

export const leaping: Effect.Effect<Leap> = Effect.map(Clock.Clock, (real): Leap => {
  let ahead = 0
  const millis = () => real.currentTimeMillisUnsafe() + ahead
  const nanos = () => real.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n
  const monotonic = () => real.monotonicTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n
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
        ahead += by
      })
  }
})
