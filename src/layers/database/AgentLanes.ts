import { Context, Effect, Layer } from "effect"
import { type GatewayUnavailable, gatewayUnavailable } from "../../domain/Failure.ts"

/** Connections that the counted statements of one agent hold at the same time. They queue for one row anyway. */
const connections = 2

/** The longest that a statement waits for its turn, as long as a statement itself may take (`storage.ts`). */
const patienceMillis = 3000

interface Lane {
  running: number
  readonly waiting: Set<() => void>
}

/**
 * Lets an agent's statements through a few at a time, so that one that calls without pause leaves the other
 * connections of the pool to the other agents. A lane exists while something is in it.
 */
export class AgentLanes extends Context.Service<
  AgentLanes,
  {
    /** Runs a statement when it is its turn in its lane. Fails with `gateway.unavailable` if that takes too long. */
    through<A, E>(name: string, statement: Effect.Effect<A, E>): Effect.Effect<A, E | GatewayUnavailable>
  }
>()("tasker-codex-api/layers/database/AgentLanes") {
  static readonly layer: Layer.Layer<AgentLanes> = Layer.sync(AgentLanes, () => {
    const lanes = new Map<string, Lane>()

    const enter = (name: string) =>
      Effect.callback<Lane, GatewayUnavailable>((resume) => {
        const lane = lanes.get(name) ?? { running: 0, waiting: new Set() }
        lanes.set(name, lane)
        if (lane.running < connections) {
          lane.running++
          return resume(Effect.succeed(lane))
        }
        const leave = () => {
          lane.waiting.delete(turn)
          clearTimeout(timer)
        }
        const turn = () => {
          leave()
          resume(Effect.succeed(lane))
        }
        const timer = setTimeout(() => {
          leave()
          resume(Effect.fail(gatewayUnavailable()))
        }, patienceMillis)
        lane.waiting.add(turn)
        return Effect.sync(leave)
      })

    /** Hands its place to the statement that has waited longest. */
    const leave = (name: string, lane: Lane) =>
      Effect.sync(() => {
        const [next] = lane.waiting
        if (next !== undefined) return next()
        lane.running--
        if (lane.running === 0) lanes.delete(name)
      })

    return AgentLanes.of({
      through: (name, statement) =>
        Effect.acquireUseRelease(
          enter(name),
          () => statement,
          (lane) => leave(name, lane)
        )
    })
  })
}
