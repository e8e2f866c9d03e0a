import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import {
  type Migration,
  MigrationRefused,
  migrate,
  migrations,
  pending
} from "../../src/layers/database/Migrations.ts"
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
