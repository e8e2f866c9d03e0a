import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Scope } from "effect"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"
import { eventually, temporary } from "../support/data-dirs.ts"
import { onDatabase } from "../support/database.ts"
import { gateTo } from "../support/gate.ts"
import { freshDatabase, restricted, secret } from "../support/gateway.ts"
import { newcomer, Served, send, start } from "../support/served.ts"
import { freshTasker, type TaskerControl } from "../support/tasker.ts"
import { call } from "../support/tool-calls.ts"

/** How a database may fail that is not simply away (for that see e2e/outage): it is full, it only reads, it is busy, it moves. */

const gatewayOn = Effect.fnUntraced(function* (
  variables: { readonly DATABASE_URL: string; readonly MIGRATION_DATABASE_URL: string },
  tasker: TaskerControl
) {
  const internalToken = secret()
  const url = yield* start({
    ...variables,
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
    NODEDC_TASKER_INTERNAL_URL: tasker.url,
    NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
    TASKER_TIMEOUT_MS: "5000",
    CALL_DEADLINE_MS: "15000",
    RATE_LIMIT_WRITES_PER_MINUTE: "0",
    DUPLICATE_WINDOW_MINUTES: "0"
  })
  return Served.of({ url, internalToken, databaseUrl: variables.MIGRATION_DATABASE_URL })
})

/** A gateway and an agent in it, on the tests' PostgreSQL. */
const stage = Effect.gen(function* () {
  const { url } = yield* freshDatabase
  const tasker = yield* freshTasker(url, secret())
  const served = yield* gatewayOn({ DATABASE_URL: restricted(url), MIGRATION_DATABASE_URL: url }, tasker)
  const agent = yield* Effect.provideService(newcomer(tasker), Served, served)
  return { agent, owner: url, served, tasker }
})

/** What comes of a new card; `done` where it was made at last. */
const create = (agent: { readonly token: string; readonly project: { readonly id: string } }, key: string) =>
  Effect.map(
    call("rest", agent.token, "tasker_create_issue", {
      project_id: agent.project.id,
      name: `Card ${key}`,
      idempotency_key: key
    }),
    ({ code }) => code ?? "done"
  )

const done = (outcome: Effect.Effect<string, never, Served>) =>
  eventually(Effect.flatMap(outcome, (code) => (code === "done" ? Effect.void : Effect.fail(code))))

/** As if everyone who holds a lease had been away for longer than it lasts. */
const leasesEnd = (owner: string) =>
  onDatabase(
    owner,
    (sql) =>
      sql`update idempotency_keys set lease_until = now() - interval '1 second' where state = 'in_progress'`
  )

const terminate = (owner: string) =>
  onDatabase(
    owner,
    (sql) =>
      sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tasker-codex-api'`
  )

const keysOf = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}-key-${i}`)

/**
 * PostgreSQL says 53100 where its disk is full (Appendix A). Here a trigger says it in its place, for every
 * row that the gateway would add to a table: it shows what the gateway makes of the answer, not that
 * PostgreSQL gives it.
 */
const fill = (owner: string, table: string, when: string) =>
  onDatabase(owner, (sql) =>
    Effect.andThen(
      sql.unsafe(
        `create or replace function disk_full() returns trigger language plpgsql as $$
         begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`
      ),
      sql.unsafe(
        `create trigger full_disk before ${when} on ${table} for each row execute function disk_full()`
      )
    )
  )
const empty = (owner: string, table: string) =>
  onDatabase(owner, (sql) => sql.unsafe(`drop trigger full_disk on ${table}`))

describe("a database whose disk is full", () => {
  it.live("has no write sent to Tasker, says so, uses no key up, and still lets agents read", () =>
    Effect.gen(function* () {
      const { agent, owner, served, tasker } = yield* stage
      yield* Effect.gen(function* () {
        yield* fill(owner, "idempotency_keys", "insert")
        assert.strictEqual(yield* create(agent, "while-it-is-full"), "gateway.unavailable")
        assert.lengthOf(yield* tasker.writes, 0)
        const read = yield* call("rest", agent.token, "tasker_list_issues", { project_id: agent.project.id })
        assert.isUndefined(read.code)
        yield* empty(owner, "idempotency_keys")
        assert.strictEqual(yield* create(agent, "while-it-is-full"), "done")
        assert.lengthOf(yield* tasker.writes, 1)
      }).pipe(Effect.provideService(Served, served))
    })
  )

  it.live("when an outcome is to be recorded leaves it unknown and not made twice", () =>
    Effect.gen(function* () {
      const { agent, owner, served, tasker } = yield* stage
      yield* Effect.gen(function* () {
        yield* fill(owner, "audit_events", "insert")
        assert.strictEqual(yield* create(agent, "made-and-not-recorded"), "tasker.outcome_unknown")
        assert.lengthOf(yield* tasker.writes, 1)
        yield* empty(owner, "audit_events")
        yield* leasesEnd(owner)
        yield* done(create(agent, "made-and-not-recorded"))
        assert.lengthOf(yield* tasker.writes, 1)
      }).pipe(Effect.provideService(Served, served))
    })
  )
})

describe("a database that has become one that only reads", () => {
  it.live("as after a failover elsewhere, has nothing sent to Tasker until it writes again", () =>
    Effect.gen(function* () {
      const { agent, owner, served, tasker } = yield* stage
      const name = new URL(owner).pathname.slice(1)
      const become = (readOnly: string) =>
        Effect.andThen(
          onDatabase(owner, (sql) =>
            Effect.andThen(
              sql`set default_transaction_read_only = off`,
              sql.unsafe(`alter database ${name} set default_transaction_read_only = ${readOnly}`)
            )
          ),
          terminate(owner)
        )
      yield* Effect.gen(function* () {
        yield* become("on")
        yield* eventually(
          Effect.flatMap(create(agent, "only-reads"), (code) =>
            code === "gateway.unavailable" ? Effect.void : Effect.fail(code)
          )
        )
        assert.lengthOf(yield* tasker.writes, 0)
        yield* become("off")
        yield* done(create(agent, "only-reads"))
        assert.lengthOf(yield* tasker.writes, 1)
      }).pipe(Effect.provideService(Served, served))
    })
  )
})

describe("a database whose every connection is waiting", () => {
  it.live("is said to each of forty callers within two minutes, and serves all of them once it goes on", () =>
    Effect.gen(function* () {
      const { agent, owner, served, tasker } = yield* stage
      const keys = keysOf(40, "waiting")
      yield* Effect.gen(function* () {
        yield* onDatabase(owner, (sql) =>
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`lock table idempotency_keys in access exclusive mode`
              const started = performance.now()
              const outcomes = yield* Effect.all(
                keys.map((key) => Effect.provideService(create(agent, key), Served, served)),
                { concurrency: "unbounded" }
              )
              assert.isBelow(performance.now() - started, 120_000)
              for (const code of outcomes) assert.strictEqual(code, "gateway.unavailable")
              assert.strictEqual((yield* send("/healthz")).status, 200)
            }).pipe(Effect.provideService(Served, served))
          )
        )
        assert.lengthOf(yield* tasker.writes, 0)
        // A reservation that was given up may have been made after all, with nobody to carry it out.
        yield* leasesEnd(owner)
        yield* Effect.forEach(keys, (key) => done(create(agent, key)), { concurrency: 8 })
        assert.lengthOf(yield* tasker.writes, keys.length)
      }).pipe(Effect.provideService(Served, served))
    })
  )
})

describe("a database that is stopped in the middle of it all", () => {
  it.live("and comes up at another address has every write made once and none that was not reserved", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporary
      const first = yield* Scope.make()
      const before = yield* EmbeddedPostgres.start({ dataDir }).pipe(Scope.provide(first))
      const tasker = yield* freshTasker((yield* freshDatabase).url, secret())
      const gate = yield* gateTo(Redacted.value(before.url))
      const served = yield* gatewayOn({ DATABASE_URL: gate.url, MIGRATION_DATABASE_URL: gate.url }, tasker)
      yield* Effect.gen(function* () {
        const agent = yield* newcomer(tasker)
        yield* tasker.fault({ op: "create", fault: "delay", delay_ms: 100, times: "forever" })
        const keys = keysOf(60, "moved")
        const acknowledged = new Set<string>()
        const met = new Set<string>()
        const load = yield* Effect.forkChild(
          Effect.forEach(
            keys,
            (key) =>
              Effect.map(create(agent, key), (code) => {
                met.add(code)
                if (code === "done") acknowledged.add(key)
              }),
            { concurrency: 6 }
          )
        )
        yield* eventually(Effect.suspend(() => (acknowledged.size < 10 ? Effect.fail("soon") : Effect.void)))
        yield* Scope.close(first, Exit.void)
        yield* Fiber.join(load)
        for (const code of met)
          assert.include(["done", "gateway.unavailable", "tasker.outcome_unknown"], code)
        assert.include([...met], "gateway.unavailable")

        const after = yield* EmbeddedPostgres.start({ dataDir })
        assert.notStrictEqual(Redacted.value(after.url), Redacted.value(before.url))
        yield* gate.turn(Redacted.value(after.url))
        const owner = Redacted.value(after.url)
        const [reserved] = yield* onDatabase(
          owner,
          (sql) => sql<{ keys: number }>`select count(*)::int as keys from idempotency_keys`
        )
        assert.isAtMost((yield* tasker.writes).length, reserved?.keys ?? 0)
        yield* leasesEnd(owner)
        yield* Effect.forEach(keys, (key) => done(create(agent, key)), { concurrency: 6 })
        const writes = yield* tasker.writes
        assert.lengthOf(writes, keys.length)
        assert.strictEqual(new Set(writes.map(({ idempotency_key }) => idempotency_key)).size, keys.length)
      }).pipe(Effect.provideService(Served, served))
    })
  )
})
