import { Effect, type Scope } from "effect"
import type { TaskerAdapter } from "../../services/TaskerAdapter.ts"
import * as TaskerGate from "./TaskerGate.ts"
import * as TaskerHttp from "./TaskerHttp.ts"
import type { Shut } from "./taskerBreaker.ts"

/** The way to one Tasker: connections, the gate before them, and what is known of both. */
export interface Link {
  readonly transport: TaskerHttp.Transport
  readonly gate: TaskerGate.Gate
  /** Path of Tasker's base URL, without a trailing slash. */
  readonly basePath: string
  readonly state: Pick<TaskerAdapter["Service"], "reachable" | "available" | "warnings">
}

const knockTimeoutMillis = 2000

export const make = Effect.fnUntraced(function* (
  { origin, pathname }: URL,
  timeoutMillis: number,
  makeGate: Effect.Effect<TaskerGate.Gate>
): Effect.fn.Return<Link, never, Scope.Scope> {
  const basePath = pathname.replace(/\/+$/, "")
  const transport = yield* TaskerHttp.make(origin, {
    connections: TaskerGate.mostUnderWay,
    connectTimeoutMillis: timeoutMillis
  })
  const gate = yield* makeGate
  // On a connection of its own: a Tasker that is busy with our calls is not unreachable.
  const door = yield* TaskerHttp.make(origin, { connections: 1, connectTimeoutMillis: knockTimeoutMillis })
  const knock = { method: "GET", path: `${basePath}/`, headers: {}, body: undefined } as const
  return {
    transport,
    gate,
    basePath,
    state: {
      reachable: Effect.map(door.knock(knock, knockTimeoutMillis), (answered) =>
        answered ? "ok" : "unreachable"
      ),
      available: Effect.map(gate.shut, (shut) => shut === undefined),
      warnings: Effect.map(gate.shut, (shut) => (shut === undefined ? [] : [warningOf(shut)]))
    }
  }
})

const warningOf = ({ because, millis }: Shut): string =>
  because === "held"
    ? `Tasker sent Retry-After: all calls to it are paused for another ${Math.ceil(millis / 1000)} s.`
    : "The circuit breaker is open: calls to Tasker are failing, and only a probe is sent now and then."
