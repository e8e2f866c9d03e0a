import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Settings } from "../../src/Config.ts"
import * as PlaneCounter from "../../src/layers/plane/planeCounter.ts"
import { PlaneWorld, planeWorld } from "../support/plane-world.ts"

/** Stands still as a frozen process does: nothing else runs in it. */
const standStill = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)

it.effect("an instance that stands still while it counts loses its lock after a second", () =>
  Effect.gen(function* () {
    const { database } = yield* PlaneWorld
    const { databaseUrl } = yield* Settings
    const own = PgClient.make({ url: Option.getOrThrow(databaseUrl) }).pipe(Effect.provide(Reactivity.layer))
    const counter = yield* PlaneCounter.make([Redacted.make("plane_api_other")]).pipe(
      Effect.provideServiceEffect(PgClient.PgClient, own)
    )
    const count = (millis: number) =>
      counter.update((windows) => {
        standStill(millis)
        return [windows.map((window) => ({ ...window, made: [[1, 1] as const] })), undefined]
      })
    const frozen = yield* Effect.exit(count(PlaneCounter.longestIdleMillis + 500))
    assert.isTrue(frozen._tag === "Failure", "the count of a frozen instance must not stand")
    const made = yield* database`select made from plane_budgets where made <> '[]'::jsonb`
    assert.lengthOf(made, 0)
    yield* count(0)
    assert.lengthOf(yield* database`select made from plane_budgets where made <> '[]'::jsonb`, 1)
  }).pipe(Effect.scoped, Effect.provide(planeWorld()), Effect.orDie)
)
