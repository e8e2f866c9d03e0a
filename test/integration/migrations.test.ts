import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Redacted, Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import {
  type Migration,
  MigrationRefused,
  migrate,
  migrations,
  pending
} from "../../src/layers/database/Migrations.ts"
import { eventually } from "../support/evidence.ts"
import { emptyDatabase } from "../support/gateway.ts"

/** A database with nothing in it, and connections to it as instances of the gateway have them. */
const withEmpty = <A, E>(
  run: (connect: Effect.Effect<PgClient.PgClient>) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* emptyDatabase
      const scope = yield* Effect.scope
      const connect = PgClient.make({ url: Redacted.make(url), maxConnections: 1 }).pipe(
        Effect.provideService(Reactivity.Reactivity, yield* Reactivity.make),
        Effect.provideService(Scope.Scope, scope),
        Effect.orDie
      )
      return yield* run(connect)
    })
  )

const migrated = (sql: PgClient.PgClient, known?: ReadonlyArray<Migration>) =>
  Effect.map(Effect.provideService(migrate(known), PgClient.PgClient, sql), (done) =>
    done.map(({ version }) => version)
  )

const refused = (sql: PgClient.PgClient, known?: ReadonlyArray<Migration>) =>
  Effect.flip(migrated(sql, known)).pipe(
    Effect.map((error) => {
      assert.instanceOf(error, MigrationRefused)
      return error.message
    }),
    Effect.catch((done) => Effect.die(new Error(`It was not refused: ${done}`)))
  )

const versions = (sql: PgClient.PgClient) =>
  Effect.map(sql<{ version: number }>`select version from schema_migrations order by version`, (rows) =>
    rows.map(({ version }) => version)
  )

const all = migrations.map(({ version }) => version)

it.live("number their files from 1 without a gap", () =>
  Effect.sync(() =>
    assert.deepStrictEqual(
      all,
      Array.from(all, (_, n) => n + 1)
    )
  )
)

it.live("are each carried out once, however many instances start at once", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const instances = yield* Effect.replicateEffect(connect, 4)
      const done = yield* Effect.forEach(instances, (sql) => migrated(sql), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        done.flat().sort((a, b) => a - b),
        all
      )
      assert.deepStrictEqual(yield* versions(yield* connect), all)
    })
  )
)

it.live("change nothing the second time", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      assert.deepStrictEqual(yield* migrated(sql), all)
      const before = yield* sql`select * from schema_migrations order by version`
      assert.deepStrictEqual(yield* migrated(sql), [])
      assert.deepStrictEqual(yield* sql`select * from schema_migrations order by version`, before)
      assert.strictEqual(yield* Effect.provideService(pending, PgClient.PgClient, sql), 0)
    })
  )
)

it.live("take a database up from where an older gateway left it", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      assert.deepStrictEqual(yield* migrated(sql, migrations.slice(0, 3)), all.slice(0, 3))
      assert.strictEqual(yield* Effect.provideService(pending, PgClient.PgClient, sql), all.length - 3)
      assert.deepStrictEqual(yield* migrated(sql), all.slice(3))
    })
  )
)

it.live("refuse a database in which one stands that was edited since", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      const [first, ...rest] = migrations as [Migration, ...Array<Migration>]
      yield* migrated(sql, [first])
      const message = yield* refused(sql, [{ ...first, checksum: "0".repeat(64) }, ...rest])
      assert.include(message, "was edited after it was applied")
      assert.deepStrictEqual(yield* versions(sql), [1])
    })
  )
)

it.live("refuse a database that is newer than the gateway", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      yield* migrated(sql)
      const message = yield* refused(sql, migrations.slice(0, -1))
      assert.include(message, "newer than this gateway")
      assert.include(message, String(all.at(-1)))
    })
  )
)

it.live("leave nothing of one that fails in the middle", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      const broken: Migration = {
        version: all.length + 1,
        name: "broken",
        sql: "create table half_made (id integer); select 1 / 0;",
        checksum: "f".repeat(64)
      }
      yield* Effect.flip(migrated(sql, [...migrations, broken]))
      assert.deepStrictEqual(yield* versions(sql), all)
      const [found] = yield* sql<{ table: string | null }>`select to_regclass('half_made')::text as table`
      assert.isNull(found?.table)
    })
  )
)

const next = (sql: string): Migration => ({
  version: all.length + 1,
  name: "next",
  sql,
  checksum: "e".repeat(64)
})

/** What is logged meanwhile. */
const logged = () => {
  const lines: Array<string> = []
  return { lines, layer: Logger.layer([Logger.make(({ message }) => lines.push(String(message)))]) }
}

/** Keeps what it does open in a transaction until it is told to end. */
const holding = (sql: PgClient.PgClient, statement: string) =>
  Effect.gen(function* () {
    const connection = yield* sql.reserve
    const run = (text: string) => connection.executeUnprepared(text, [], undefined)
    yield* run("begin")
    yield* run(statement)
    return Effect.orDie(run("commit"))
  })

it.live("give way to a call that waits behind them, say that they wait, and try again", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const [sql, other, caller] = [yield* connect, yield* connect, yield* connect]
      yield* migrated(sql)
      const end = yield* holding(other, "select from agents")
      const { layer, lines } = logged()
      const migrating = yield* Effect.forkChild(
        Effect.provide(
          migrated(sql, [...migrations, next("alter table agents add column more integer")]),
          layer
        )
      )
      yield* eventually(
        "the migration waits",
        Effect.map(
          caller`select from pg_locks where relation = 'agents'::regclass and not granted`,
          (rows) => rows.length > 0
        )
      )
      // Queued behind the migration, and let through once that gives way.
      yield* caller`select from agents`
      yield* eventually(
        "it is said",
        Effect.sync(() => lines.some((line) => line.includes("pg_stat_activity")))
      )
      yield* end
      assert.deepStrictEqual(yield* Fiber.join(migrating), [all.length + 1])
    }).pipe(Effect.scoped)
  )
)

it.live("wait for another instance that migrates, and say so", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const [sql, other] = [yield* connect, yield* connect]
      yield* migrated(sql)
      const end = yield* holding(other, "select pg_advisory_xact_lock(7305402611)")
      const { layer, lines } = logged()
      const migrating = yield* Effect.forkChild(Effect.provide(migrated(sql), layer))
      yield* eventually(
        "it is said",
        Effect.sync(() => lines.some((line) => line.includes("another instance")))
      )
      yield* end
      assert.deepStrictEqual(yield* Fiber.join(migrating), [])
    }).pipe(Effect.scoped)
  )
)

it.live("build an index while a row of its table is being changed, and several instances start", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const [one, two] = [yield* connect, yield* connect]
      const [other, caller] = [yield* connect, yield* connect]
      yield* migrated(one)
      const known = [
        ...migrations,
        next("-- By age.\n\ncreate index concurrently if not exists agents_by_age on agents (created_at);")
      ]
      const end = yield* holding(other, "lock table agents in row exclusive mode")
      const building = yield* Effect.forkChild(
        Effect.all([migrated(one, known), migrated(two, known)], { concurrency: 2 })
      )
      yield* eventually(
        "the build waits for the change",
        Effect.map(caller`select from pg_stat_progress_create_index`, (rows) => rows.length > 0)
      )
      yield* caller`select from agents for update`
      yield* end
      assert.deepStrictEqual((yield* Fiber.join(building)).flat(), [all.length + 1])
      const valid = yield* one`
        select from pg_index where indexrelid = 'agents_by_age'::regclass and indisvalid`
      assert.lengthOf(valid, 1)
    }).pipe(Effect.scoped)
  )
)

it.live("build an index anew that an interrupted build left invalid", () =>
  withEmpty((connect) =>
    Effect.gen(function* () {
      const sql = yield* connect
      yield* migrated(sql)
      const index = "create unique index concurrently if not exists agents_named on agents (display_name)"
      yield* sql`
        insert into agents (id, owner_user_id, owner_email, display_name)
        select gen_random_uuid(), 'owner', 'owner@example.test', 'The same' from generate_series(1, 2)`
      yield* Effect.flip(migrated(sql, [...migrations, next(index)]))
      assert.deepStrictEqual(yield* versions(sql), all)
      yield* sql`delete from agents where id = (select id from agents limit 1)`
      assert.deepStrictEqual(yield* migrated(sql, [...migrations, next(index)]), [all.length + 1])
      const valid = yield* sql`
        select from pg_index where indexrelid = 'agents_named'::regclass and indisvalid`
      assert.lengthOf(valid, 1)
    })
  )
)
