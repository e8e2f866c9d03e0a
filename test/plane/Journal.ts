import { Context, Effect, Layer } from "effect"
import type { Fault, Op } from "./Faults.ts"

/** Describes a request. `fault` and `status` are set as it goes on; with a null status it is in flight or cut. */
export interface Entry {
  readonly n: number
  readonly at: string
  readonly method: string
  readonly path: string
  /** Without the API key. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: unknown
  readonly op: Op | null
  fault: Fault["fault"] | null
  status: number | null
}

/** Limits the requests kept, so that a long run does not fill the memory. */
const kept = 20_000

export class Journal extends Context.Service<
  Journal,
  {
    readonly open: (
      request: Pick<Entry, "method" | "path" | "headers" | "body" | "op">
    ) => Effect.Effect<Entry>
    readonly since: (
      n: number
    ) => Effect.Effect<{ readonly requests: ReadonlyArray<Entry>; readonly last: number }>
  }
>()("reference-plane/Journal") {
  static readonly layer = Layer.sync(Journal, () => {
    const entries: Array<Entry> = []
    let last = 0
    return {
      open: (request) =>
        Effect.sync(() => {
          const entry: Entry = {
            n: ++last,
            at: new Date().toISOString(),
            ...request,
            fault: null,
            status: null
          }
          entries.push(entry)
          if (entries.length > kept) entries.shift()
          return entry
        }),
      since: (n) => Effect.sync(() => ({ requests: entries.filter((entry) => entry.n > n), last }))
    }
  })
}
