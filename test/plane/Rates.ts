import { Clock, Context, Effect, Layer } from "effect"
import { Behaviour } from "./Settings.ts"

export type Pass =
  | { readonly _tag: "Passed"; readonly remaining: number; readonly reset: number }
  | { readonly _tag: "Throttled"; readonly retryAfter: number }

/** Limits requests per key in a sliding window. A throttled request does not count. */
export class Rates extends Context.Service<
  Rates,
  { readonly pass: (key: string) => Effect.Effect<Pass>; readonly forget: Effect.Effect<void> }
>()("reference-plane/Rates") {
  static readonly layer = Layer.effect(
    Rates,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const behaviour = yield* Behaviour
      const passed = new Map<string, ReadonlyArray<number>>()
      return {
        pass: (key) =>
          Effect.map(behaviour.settings, ({ rate_limit, rate_window_ms }): Pass => {
            const now = clock.currentTimeMillisUnsafe()
            const within = (passed.get(key) ?? []).filter((at) => at > now - rate_window_ms)
            const [oldest = now] = within
            if (rate_limit > 0 && within.length >= rate_limit) {
              return { _tag: "Throttled", retryAfter: Math.ceil((oldest + rate_window_ms - now) / 1000) }
            }
            passed.set(key, [...within, now])
            return {
              _tag: "Passed",
              remaining: Math.max(0, (rate_limit === 0 ? 100_000 : rate_limit) - within.length - 1),
              // Measured: always the end of a window that begins now.
              reset: Math.ceil((now + rate_window_ms) / 1000)
            }
          }),
        forget: Effect.sync(() => passed.clear())
      }
    })
  )
}
