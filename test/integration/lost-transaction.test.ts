import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { GatewayUnavailable } from "../../src/domain/Failure.ts"
import { storage } from "../../src/layers/database/storage.ts"
import * as PlaneBudget from "../../src/layers/plane/PlaneBudget.ts"
import * as PlaneCounter from "../../src/layers/plane/planeCounter.ts"
import { eventually } from "../support/evidence.ts"
import { freshDatabase } from "../support/gateway.ts"
import { postgresProxy } from "../support/postgres-proxy.ts"

/** A client whose connections break, and a budget that counts through it. */
const setUp = Effect.gen(function* () {
  const { url } = yield* freshDatabase
  const proxy = yield* postgresProxy(url)
  const sql = yield* PgClient.make({ url: Redacted.make(proxy.url), maxConnections: 2 }).pipe(
    Effect.provide(Reactivity.layer)
  )
  const counter = yield* PlaneCounter.make([Redacted.make("plane_api_test")]).pipe(
    Effect.provideService(PgClient.PgClient, sql)
  )
  const budget = yield* PlaneBudget.make(counter, 60, () => true)
  const take = budget.take({ agent: "one", purpose: "write", requests: 3 }, 5000)
  return { budget, proxy, sql, take, url }
})

/** The statement of a count that stands within its transaction. */
const counting = { statement: /update plane_budgets/, when: "before" } as const

it.effect("a connection that is lost in a transaction is an outage of the database, and no defect", () =>
  Effect.gen(function* () {
    const { proxy, sql } = yield* setUp
    yield* proxy.breakOn({ statement: /select 'lost'/, when: "before", times: 1 })
    const error = yield* Effect.flip(storage(sql.withTransaction(sql`select 'lost'`)))
    assert.instanceOf(error, GatewayUnavailable)
  }).pipe(Effect.scoped, Effect.orDie)
)

it.effect("a count of Plane's requests is repeated once if its connection is lost", () =>
  Effect.gen(function* () {
    const { proxy, sql, take } = yield* setUp
    yield* proxy.breakOn({ ...counting, times: 1 })
    assert.deepStrictEqual((yield* take).counts, [3])
    assert.strictEqual(yield* proxy.broken, 1)
    const [row] = yield* sql<{ made: ReadonlyArray<[number, number]> }>`select made from plane_budgets`
    assert.deepStrictEqual(
      row?.made.map(([, requests]) => requests),
      [3]
    )
  }).pipe(Effect.scoped, Effect.orDie)
)

it.effect("a call is refused as uncounted if the connection of the repeated count is lost too", () =>
  Effect.gen(function* () {
    const { proxy, take } = yield* setUp
    yield* proxy.breakOn({ ...counting, times: 2 })
    assert.strictEqual((yield* Effect.flip(take)).because, "uncounted")
    assert.deepStrictEqual((yield* take).counts, [3])
  }).pipe(Effect.scoped, Effect.orDie)
)

it.live("calls that end keep one connection at a time to give requests back", () =>
  Effect.gen(function* () {
    const { budget, sql, take, url } = yield* setUp
    yield* take
    const other = yield* PgClient.make({ url: Redacted.make(url), maxConnections: 2 }).pipe(
      Effect.provide(Reactivity.layer)
    )
    // Within a transaction PostgreSQL shows the activity as it was at its first look, unless that is cleared.
    const waiting = Effect.andThen(
      other`select pg_stat_clear_snapshot()`,
      Effect.map(
        other<{ count: number }>`
          select count(*)::int as count from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
        ([row]) => row?.count
      )
    )
    const given = { second: 0, counts: [1], atMillis: 0 }
    const ending = yield* other.withTransaction(
      Effect.gen(function* () {
        yield* other`select from plane_budgets for update`
        const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () =>
          Effect.forkChild(budget.settle(given, []))
        )
        yield* eventually(
          "a count waits for the lock",
          Effect.map(waiting, (count) => count !== 0)
        )
        for (let n = 0; n < 20; n++) yield* sql`select 1`
        assert.strictEqual(yield* waiting, 1)
        return fibers
      })
    )
    yield* Effect.forEach(ending, Fiber.join)
  }).pipe(Effect.scoped, Effect.orDie)
)
