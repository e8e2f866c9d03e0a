import { Effect } from "effect"
import { upstreamKey } from "../../src/domain/Operation.ts"
import { type PlaneActor, PlaneWorld } from "./plane-world.ts"

/** State of a key in the gateway's database; undefined if the key is free. */
export const keyState = (actor: PlaneActor, key: string) =>
  Effect.gen(function* () {
    const { database } = yield* PlaneWorld
    const [row] = yield* database<{ state: string }>`
      select state from idempotency_keys where agent_id = ${actor.agentId} and key = ${key}`
    return row?.state
  }).pipe(Effect.orDie)

/** Cards and comments that Plane holds under one key of one agent. */
export const madeUnder = (actor: PlaneActor, key: string) =>
  Effect.gen(function* () {
    const { plane } = yield* PlaneWorld
    const externalId = upstreamKey(actor.agentId, key)
    const writes = yield* plane.writes
    return writes.filter((write) => write.external_id === externalId)
  })

/** Requests that Plane counted while an effect ran. */
export const requestsDuring = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { plane } = yield* PlaneWorld
    const before = (yield* plane.requests).length
    const value = yield* effect
    return { value, requests: (yield* plane.requests).slice(before) }
  })
