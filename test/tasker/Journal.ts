import { Clock, Context, Effect, Layer } from "effect"
import type { Op } from "./Calls.ts"
import type { Fault } from "./Faults.ts"

/** One request as it was received, whatever became of it. */
export interface Received {
  readonly n: number
  readonly at: string
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Without the value of `authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** As JSON where it is JSON, else as text; null without one. */
  readonly body: unknown
  readonly op: Op | null
  readonly fault: Fault["fault"] | null
  /** null: under way, or cut. */
  readonly status: number | null
}

/** The newest are kept; a long torture run would fill the memory otherwise. */
const kept = 20_000

/** Every request but those of `/control`, so that a test can say what was sent, or that nothing was. */
export class Journal extends Context.Service<
  Journal,
  {
    readonly receive: (
      request: Pick<Received, "method" | "path" | "headers" | "body" | "op">
    ) => Effect.Effect<number>
    readonly note: (n: number, outcome: Partial<Pick<Received, "fault" | "status">>) => Effect.Effect<void>
    /** Those with a greater `n`, and the `n` of the last. */
    readonly since: (
      n: number
    ) => Effect.Effect<{ readonly requests: ReadonlyArray<Received>; readonly last: number }>
  }
>()("reference-tasker/Journal") {
  static readonly layer = Layer.effect(
    Journal,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let last = 0
      const received = new Map<number, Received>()
      return {
        receive: (request) =>
          Effect.sync(() => {
            const n = ++last
            const at = new Date(clock.currentTimeMillisUnsafe()).toISOString()
            received.set(n, { n, at, ...request, fault: null, status: null })
            received.delete(n - kept)
            return n
          }),
        note: (n, outcome) =>
          Effect.sync(() => {
            const request = received.get(n)
            if (request !== undefined) received.set(n, { ...request, ...outcome })
          }),
        since: (n) =>
          Effect.sync(() => ({ requests: [...received.values()].filter((request) => request.n > n), last }))
      }
    })
  )
}
