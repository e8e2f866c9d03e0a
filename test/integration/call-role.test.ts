import { randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { Settings } from "../../src/Config.ts"
import { beginning, linkOf, sha256 } from "../../src/domain/AuditChain.ts"
import * as Database from "../../src/layers/database/Database.ts"
import { newKey } from "../support/audit.ts"
import { temporary } from "../support/data-dirs.ts"
import { onDatabase } from "../support/database.ts"
import { freshDatabase, restricted, sealing } from "../support/gateway.ts"

/** What the role that calls run under may do in the database, and above all what it may not. */

const denied = "42501"

const codeOf = (error: SqlError): string => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "code") ? String(cause.code) : error.reason._tag
}

/** The database as a gateway makes it ready, and what it says meanwhile. */
const prepared = (variables: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const keep = Logger.make(({ message }) => {
      said.push([message].flat().map(String).join(" "))
    })
    yield* Effect.scoped(
      Layer.build(
        Layer.fresh(Database.layer).pipe(
          Layer.provide(Settings.layer(variables)),
          Layer.provide(Logger.layer([keep]))
        )
      )
    )
    return said
  })

const twoRoles = (owner: string) => ({
  DATABASE_URL: restricted(owner),
  MIGRATION_DATABASE_URL: owner
})

/** Rows of every kind that is only to be added to, made by the owner. */
const seeded = (sql: PgClient.PgClient) =>
  Effect.gen(function* () {
    yield* sql`
      insert into audit_events (id, at, action, outcome, request_id, via)
      values (${randomUUID()}::uuid, now(), 'agent.created', 'executed', 'r', 'admin')`
    const { id, text } = newKey().verifying
    yield* sql`insert into audit_keys (key_id, public_key) values (${id}, ${text})`
    const hash = sha256("event")
    yield* sql`
      with sealed as (
        insert into audit_seals (sequence, position, event_hash, link)
        select 1, position, ${hash}, ${linkOf(beginning, 1, hash)} from audit_events limit 1
      )
      insert into audit_checkpoints (sequence, at, format, previous, key_id, signature, horizon)
      values (
        1, now(), 2, decode(repeat('00', 32), 'hex'), ${id}, decode(repeat('00', 64), 'hex'), 0
      )`
  })

const appendOnly = ["audit_events", "audit_seals", "audit_checkpoints", "audit_keys"] as const
const columns = {
  audit_events: "outcome = 'failed'",
  audit_seals: "link = sha256('x')",
  audit_checkpoints: "horizon = 9",
  audit_keys: "public_key = 'x'"
}

const asCalls = <A, E>(owner: string, run: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    yield* prepared(twoRoles(owner))
    yield* onDatabase(owner, seeded)
    return yield* onDatabase(restricted(owner), run)
  })

const refusal = (sql: PgClient.PgClient, statement: string) =>
  sql.unsafe(statement).unprepared.pipe(
    Effect.flip,
    Effect.map(codeOf),
    Effect.catch(() => Effect.die(new Error(`The database let it through: ${statement}`)))
  )

describe("the role that calls run under", () => {
  it.live("adds to the audit trail, and can't change or shorten it or what proves it", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      yield* asCalls(url, (sql) =>
        Effect.gen(function* () {
          for (const table of appendOnly) {
            assert.isAbove((yield* sql`select * from ${sql(table)}`).length, 0)
            for (const statement of [
              `update ${table} set ${columns[table]}`,
              `update ${table} set ${columns[table]} where false`,
              `delete from ${table}`,
              `truncate ${table}`,
              `truncate ${table} cascade`,
              `select * from ${table} for update`,
              `insert into ${table} select * from ${table} on conflict do update set ${columns[table]}`,
              ...(table === "audit_events" ? [] : [`insert into ${table} select * from ${table}`])
            ]) {
              const code = yield* refusal(sql, statement)
              // The last has no target to be refused for; an identity may not be given.
              assert.include([denied, "42601", "428C9"], code, statement)
            }
          }
          yield* sql`
            insert into audit_events (id, at, action, outcome, request_id, via)
            values (${randomUUID()}::uuid, now(), 'agent.created', 'executed', 'r', 'admin')`
        })
      )
    })
  )

  it.live("adds used keys, and can't free one", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      yield* asCalls(url, (sql) =>
        Effect.gen(function* () {
          yield* sql`insert into used_keys values (${randomUUID()}::uuid, sha256('key'))`
          for (const statement of [
            "delete from used_keys",
            "update used_keys set key_sha256 = sha256('other')",
            "truncate used_keys",
            "alter table idempotency_keys disable trigger used_key_is_kept"
          ]) {
            assert.strictEqual(yield* refusal(sql, statement), denied, statement)
          }
        })
      )
    })
  )

  it.live(
    "can't take the guards of the trail away, become another or make what would stand in its place",
    () =>
      Effect.gen(function* () {
        const { url } = yield* freshDatabase
        yield* asCalls(url, (sql) =>
          Effect.gen(function* () {
            for (const table of appendOnly) {
              for (const statement of [
                `drop trigger ${table}_append_only on ${table}`,
                `alter table ${table} disable trigger ${table}_append_only`,
                `alter table ${table} disable trigger all`,
                `alter table ${table} add column more text`,
                `alter table ${table} rename to gone`,
                `alter table ${table} owner to gateway_calls`,
                `create trigger mine before insert on ${table} for each row execute function suppress_redundant_updates_trigger()`,
                `create rule mine as on insert to ${table} do instead nothing`,
                `drop table ${table}`,
                `drop table ${table} cascade`
              ]) {
                assert.strictEqual(yield* refusal(sql, statement), denied, statement)
              }
            }
            for (const statement of [
              "create table mine (x integer)",
              "create temporary table audit_events (x integer)",
              "create function iso(instant timestamptz, x integer) returns text language sql return ''",
              "create or replace function audit_events_are_append_only() returns trigger language plpgsql as 'begin return null; end'",
              "create or replace function iso(instant timestamptz) returns text language sql return ''",
              "drop function audit_proof_is_append_only cascade",
              "create schema mine",
              "drop schema public cascade",
              "create extension file_fdw",
              "set session_replication_role = replica",
              "set role gateway_owner",
              "set session authorization gateway_owner",
              "create role mine superuser",
              "alter role gateway_calls superuser",
              "copy audit_events to program 'true'",
              "insert into schema_migrations (version, name, checksum) values (9999, 'x', 'x')",
              "delete from schema_migrations"
            ]) {
              const code = yield* refusal(sql, statement).pipe(
                Effect.catchDefect((defect) => Effect.die(defect))
              )
              assert.strictEqual(code, denied, statement)
            }
          })
        )
      })
  )

  it.live("has each right that calls need, also on the tables of migrations to come, and no more", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const rights = onDatabase(
        url,
        (sql) => sql<{ table_name: string; rights: string }>`
          select c.relname as table_name,
            coalesce((
              select string_agg(privilege_type, ' ' order by privilege_type) from aclexplode(c.relacl)
              where grantee = 'gateway_calls'::regrole
            ), '') as rights
          from pg_class c
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1`
      )
      yield* prepared(twoRoles(url))
      const all = "DELETE INSERT SELECT UPDATE"
      // Events are inserted by column.
      const expected = (table: string) =>
        table === "schema_migrations" || table === "audit_events"
          ? "SELECT"
          : table === "audit_sealing"
            ? ""
            : table === "used_keys"
              ? "INSERT SELECT"
              : table.startsWith("audit_")
                ? "SELECT"
                : all
      const inserted = onDatabase(
        url,
        (sql) => sql<{ columns: string }>`
          select string_agg(attname, ' ') filter (
            where not has_column_privilege('gateway_calls', attrelid, attnum, 'insert')
          ) as columns
          from pg_attribute where attrelid = 'audit_events'::regclass and attnum > 0`
      )
      assert.deepStrictEqual(yield* inserted, [{ columns: "position" }])
      for (const { rights: found, table_name } of yield* rights)
        assert.strictEqual(found, expected(table_name), table_name)
      // A table to come, and rights that someone gave meanwhile: the next start sets both right.
      yield* onDatabase(url, (sql) =>
        Effect.gen(function* () {
          yield* sql`create table of_a_later_migration (x integer)`
          yield* sql`grant all on audit_events, schema_migrations to gateway_calls`
          yield* sql`grant insert (position), update (outcome) on audit_events to gateway_calls`
        })
      )
      assert.deepStrictEqual(
        (yield* prepared(twoRoles(url))).filter((line) => line.includes("role")),
        []
      )
      for (const { rights: found, table_name } of yield* rights)
        assert.strictEqual(found, expected(table_name), table_name)
      assert.deepStrictEqual(yield* inserted, [{ columns: "position" }])
    })
  )

  it.live("has a sealer beside it that reads the trail and adds to its proof, and no more", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const said = yield* prepared({ ...twoRoles(url), SEALER_DATABASE_URL: sealing(url) })
      assert.deepStrictEqual(
        said.filter((line) => line.includes("could get at")),
        []
      )
      const rights = yield* onDatabase(
        url,
        (sql) => sql<{ table_name: string; rights: string }>`
          select c.relname as table_name, string_agg(privilege_type, ' ' order by privilege_type) as rights
          from pg_class c, aclexplode(c.relacl) where grantee = 'gateway_sealer'::regrole
          group by 1 order by 1`
      )
      assert.deepStrictEqual(
        Object.fromEntries(rights.map(({ rights, table_name }) => [table_name, rights])),
        {
          audit_checkpoints: "INSERT SELECT",
          audit_events: "SELECT",
          audit_keys: "INSERT SELECT",
          audit_sealing: "SELECT UPDATE",
          audit_seals: "INSERT SELECT"
        }
      )
    })
  )

  it.live("is made at the first start, by however many instances at once", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const role = `calls_${randomUUID().replaceAll("-", "")}`
      const calls = new URL(url)
      calls.username = role
      calls.password = "it's%20a-password"
      const variables = { DATABASE_URL: calls.href, MIGRATION_DATABASE_URL: url }
      const said = yield* Effect.all(
        Array.from({ length: 4 }, () => prepared(variables)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(
        said.flat().filter((line) => line === `Made the database role ${role} for calls`).length,
        1
      )
      const [row] = yield* onDatabase(
        calls.href,
        (sql) => sql`select current_user::text as who, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls
          from pg_roles where rolname = current_user`
      )
      assert.deepStrictEqual(row, {
        who: role,
        rolsuper: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolbypassrls: false
      })
      yield* onDatabase(url, (sql) => sql`drop owned by ${sql(role)}`)
      yield* onDatabase(url, (sql) => sql`drop role ${sql(role)}`)
    })
  )

  it.live("is told of in the log where it has more rights than it should by other ways", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      yield* prepared(twoRoles(url))
      yield* onDatabase(url, (sql) => sql`grant create on schema public to gateway_calls`)
      const said = yield* prepared(twoRoles(url))
      assert.isTrue(
        said.some((line) => /gateway_calls.* could get at the audit trail: it may create tables/.test(line))
      )
    })
  )

  it.live("is told of where it owns the trail, or may make temporary tables that stand before it", () =>
    Effect.gen(function* () {
      const { name, url } = yield* freshDatabase
      yield* prepared(twoRoles(url))
      const warned = Effect.map(prepared(twoRoles(url)), (said) => said.join("\n"))
      // A right of its own is taken from it; one that everybody has is, where the database is ours.
      yield* onDatabase(url, (sql) => sql`grant temporary on database ${sql(name)} to gateway_calls, public`)
      assert.notMatch(yield* warned, /could get at/)
      assert.strictEqual(
        yield* onDatabase(restricted(url), (sql) => refusal(sql, "create temporary table t (x integer)")),
        denied
      )
      yield* onDatabase(url, (sql) => sql`alter table audit_seals owner to gateway_calls`)
      assert.match(yield* warned, /could get at the audit trail: it may act as the owner of its tables/)
      yield* onDatabase(url, (sql) => sql`alter table audit_seals owner to current_user`)
      assert.notMatch(yield* warned, /could get at/)
    })
  )

  it.live("is told of where the database is another's, so that temporary tables can't be forbidden", () =>
    Effect.gen(function* () {
      const { name, url } = yield* freshDatabase
      const other = `other_${randomUUID().replaceAll("-", "")}`
      yield* prepared(twoRoles(url))
      yield* onDatabase(url, (sql) =>
        Effect.gen(function* () {
          yield* sql`create role ${sql(other)}`
          yield* sql`grant temporary on database ${sql(name)} to public`
          yield* sql`alter database ${sql(name)} owner to ${sql(other)}`
        })
      )
      const said = yield* prepared(twoRoles(url))
      yield* onDatabase(url, (sql) => sql`alter database ${sql(name)} owner to current_user`)
      yield* onDatabase(url, (sql) => sql`drop role ${sql(other)}`)
      assert.isTrue(said.some((line) => /could get at the audit trail: it may create temporary/.test(line)))
    })
  )

  it.live("with a wrong password is told of at start-up, by its variable and without a value", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      yield* prepared(twoRoles(url))
      const wrong = new URL(restricted(url))
      wrong.password = "planted-password"
      const failure = yield* Effect.flip(prepared({ DATABASE_URL: wrong.href, MIGRATION_DATABASE_URL: url }))
      assert.match(
        failure.message,
        /^The database of DATABASE_URL can't be used: .*password authentication failed/
      )
      assert.notInclude(failure.message, "planted-password")
    })
  )
})

describe("the embedded database", () => {
  it.live("sets both roles up by itself, and keeps them from one start to the next", () =>
    Effect.gen(function* () {
      const DATA_DIR = yield* temporary
      for (const made of [1, 0]) {
        const said: Array<string> = []
        const keep = Logger.make(({ message }) => {
          said.push([message].flat().map(String).join(" "))
        })
        yield* Effect.gen(function* () {
          const sql = yield* PgClient.PgClient
          const [who] = yield* sql`
              select current_user::text as role, rolsuper as superuser from pg_roles where rolname = current_user`
          assert.deepStrictEqual(who, { role: "gateway_calls", superuser: false })
          yield* sql`
              insert into audit_events (id, at, action, outcome, request_id, via)
              values (${randomUUID()}::uuid, now(), 'agent.created', 'executed', 'r', 'admin')`
          for (const statement of [
            "delete from audit_events",
            "alter table audit_events disable trigger all",
            "create table mine (x integer)"
          ]) {
            assert.strictEqual(yield* refusal(sql, statement), denied)
          }
        }).pipe(
          Effect.provide(
            Layer.fresh(Database.layer).pipe(
              Layer.provide(Settings.layer({ DATA_DIR })),
              Layer.provideMerge(Logger.layer([keep]))
            )
          )
        )
        const makings = said.filter((line) => line === "Made the database role gateway_calls for calls")
        assert.strictEqual(makings.length, made)
        assert.isFalse(said.some((line) => line.includes("MIGRATION_DATABASE_URL")))
      }
    })
  )
})

describe("one URL for both", () => {
  it.live("works as it did, and says once that it is one", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const said = yield* prepared({ DATABASE_URL: url })
      assert.deepStrictEqual(
        said.filter((line) => line.includes("MIGRATION_DATABASE_URL")),
        ["MIGRATION_DATABASE_URL is not set: DATABASE_URL serves both for migrations and for calls"]
      )
    })
  )

  it.live("may be the restricted role's, where someone else has migrated", () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      yield* prepared(twoRoles(url))
      yield* prepared({ DATABASE_URL: restricted(url) })
      yield* onDatabase(url, (sql) =>
        Effect.gen(function* () {
          yield* sql`delete from schema_migrations where version = (select max(version) from schema_migrations)`
        })
      )
      const failure = yield* Effect.flip(prepared({ DATABASE_URL: restricted(url) }))
      assert.match(
        failure.message,
        /lacks 1 of this gateway's migrations, and its user may not carry them out/
      )
    })
  )
})
