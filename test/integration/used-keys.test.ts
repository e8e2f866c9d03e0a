import { createHash, randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { codeOf } from "../../src/domain/Failure.ts"
import { migrate, migrations } from "../../src/layers/database/Migrations.ts"
import * as Reaper from "../../src/layers/Reaper.ts"
import { Operations } from "../../src/services/Operations.ts"
import { eventually, keyRow, outcome, trail, writesUnder } from "../support/evidence.ts"
import { emptyDatabase, freshDatabase } from "../support/gateway.ts"
import { type Actor, call, World, withVariables } from "../support/world.ts"

const create = (agent: Actor, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name: "Made once", idempotency_key: key, ...more })

/** Makes every key of the agent as old as its row is kept, and waits until the reaper has deleted the rows. */
const reaped = (agent: Actor) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const old = "200 days"
    yield* database`
      update idempotency_keys set settled_at = settled_at - ${old}::interval, created_at = created_at - ${old}::interval,
        expired_at = case when state = 'executed' then now() - ${old}::interval end, answer = null
      where agent_id = ${agent.agentId} and state in ('executed', 'not_executed')`
    yield* Effect.scoped(
      Effect.andThen(
        Layer.build(Reaper.layer),
        eventually(
          "its rows are deleted",
          Effect.map(
            Effect.orDie(database`select from idempotency_keys where agent_id = ${agent.agentId}`),
            (rows) => rows.length === 0
          )
        )
      )
    )
  }).pipe(Effect.orDie)

layer(withVariables({ RATE_LIMIT_READS_PER_MINUTE: "1000", RATE_LIMIT_WRITES_PER_MINUTE: "1000" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a key whose row was deleted", (it) => {
  it.effect("is refused for ever if its write was executed, however the write is planned", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const operations = yield* Operations
      const agent = yield* actor()
      yield* create(agent, "used-for-ever")
      yield* reaped(agent)
      assert.strictEqual(yield* outcome(create(agent, "used-for-ever")), "idempotency.key_expired")
      const planned = create(agent, "used-for-ever", { labels: ["bug"] })
      assert.strictEqual(yield* outcome(planned), "idempotency.key_expired")
      const dry = create(agent, "used-for-ever", { dry_run: true })
      assert.strictEqual(yield* outcome(dry), "idempotency.key_expired")
      const looked = yield* Effect.flip(operations.ofKey(agent.agentId, "used-for-ever"))
      assert.strictEqual(codeOf(looked), "idempotency.key_expired")
      assert.isUndefined(yield* keyRow(agent, "used-for-ever"))
      assert.lengthOf(yield* writesUnder(agent, "used-for-ever"), 1)
      assert.deepStrictEqual(yield* trail(agent, "used-for-ever"), [
        "executed",
        ...Array(3).fill("denied idempotency.key_expired")
      ])
    })
  )

  it.effect("is another agent's to use, and free if its write was not executed", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      const other = yield* actor()
      yield* create(agent, "used-by-one")
      yield* create(agent, "given-back")
      yield* database`
        update idempotency_keys set state = 'not_executed', answer = null
        where agent_id = ${agent.agentId} and key = 'given-back'`
      yield* reaped(agent)
      assert.strictEqual(yield* outcome(create(other, "used-by-one")), "done")
      assert.strictEqual(yield* outcome(create(agent, "given-back")), "done")
      assert.strictEqual(yield* outcome(create(agent, "used-by-one")), "idempotency.key_expired")
    })
  )

  it.effect("is refused although it is deleted while a reservation of it runs", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      yield* create(agent, "reaped-just-now")
      assert.strictEqual(yield* outcome(create(agent, "reaped-just-now")), "replayed")
      yield* database`
        update idempotency_keys
        set answer = null, expired_at = now() - interval '31 days', settled_at = now() - interval '40 days'
        where agent_id = ${agent.agentId}`
      // The reservation counts its call first: it waits there, with the snapshot in which the row still stands.
      const fiber = yield* database.withTransaction(
        Effect.gen(function* () {
          yield* database`select from call_rates where agent_id = ${agent.agentId} for update`
          const reserving = yield* Effect.forkDetach(outcome(create(agent, "reaped-just-now")))
          yield* eventually("the reservation waits", waitsForTransaction)
          const { databaseUrl } = yield* World
          yield* other(
            databaseUrl,
            (sql) => sql`delete from idempotency_keys where agent_id = ${agent.agentId}`
          )
          return reserving
        })
      )
      assert.strictEqual(yield* Fiber.join(fiber), "idempotency.key_expired")
      assert.isUndefined(yield* keyRow(agent, "reaped-just-now"))
      assert.lengthOf(yield* writesUnder(agent, "reaped-just-now"), 1)
    })
  )
})

/** True if a statement waits for a row that another transaction locked. */
const waitsForTransaction = Effect.gen(function* () {
  const { databaseUrl } = yield* World
  const rows = yield* other(
    databaseUrl,
    (sql) => sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'transactionid'`
  )
  return rows.length > 0
})

const other = <A, E>(url: string, run: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(PgClient.make({ url: Redacted.make(url), maxConnections: 1 }), run)).pipe(
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )

describe("the migration of used keys", () => {
  it.live("takes them from the trail: of executed tools alone, and not those whose rows still stand", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { url } = yield* emptyDatabase
        yield* other(url, (sql) =>
          Effect.gen(function* () {
            const before = migrations.filter(({ version }) => version < 21)
            yield* Effect.provideService(migrate(before), PgClient.PgClient, sql)
            const agent = randomUUID()
            const event = (action: string, outcome: string, key: string) => sql`
              insert into audit_events (id, at, action, outcome, agent_id, idempotency_key, request_id, via)
              values (${randomUUID()}::uuid, now(), ${action}, ${outcome}, ${agent}::uuid, ${key}, 'r', 'mcp')`
            yield* event("tasker_create_issue", "executed", "executed-long-ago")
            yield* event("tasker_create_issue", "failed", "never-executed")
            yield* event("operation.settled", "executed", "settled-as-not-done")
            yield* event("tasker_move_issue", "executed", "row-still-stands")
            yield* sql`set session_replication_role = replica`
            yield* sql`
              insert into idempotency_keys (
                id, agent_id, key, tool, project_id, grant_id, token_id, fingerprint, state, answer, settled_at,
                request_id
              )
              values (
                ${randomUUID()}::uuid, ${agent}::uuid, 'row-still-stands', 'tasker_move_issue', ${agent}::uuid,
                ${agent}::uuid, ${agent}::uuid, ${"0".repeat(64)}, 'executed', '{}', now(), 'r'
              )`
            yield* Effect.provideService(migrate(), PgClient.PgClient, sql)
            const digest = (key: string) => createHash("sha256").update(key).digest("hex")
            const used = () => sql<{ key: string }>`
              select encode(key_sha256, 'hex') as key from used_keys where agent_id = ${agent}::uuid`
            assert.deepStrictEqual(yield* used(), [{ key: digest("executed-long-ago") }])
            // Also for a session that skips ordinary triggers, and a gateway that knows nothing of the table.
            yield* sql`delete from idempotency_keys`
            assert.sameDeepMembers(
              [...(yield* used())],
              [{ key: digest("executed-long-ago") }, { key: digest("row-still-stands") }]
            )
          })
        )
      })
    )
  )

  it.live("a used key takes less than 240 bytes with its index", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { url } = yield* freshDatabase
        yield* other(url, (sql) =>
          Effect.gen(function* () {
            yield* sql`create table seeds as select gen_random_uuid() as agent from generate_series(1, 200)`
            // As they come: now one of this agent, now one of that.
            for (let round = 0; round < 20; round++) {
              yield* sql`
                insert into used_keys
                select agent, sha256((agent::text || n)::bytea)
                from generate_series(${round * 25}::integer + 1, ${round * 25}::integer + 25) as n, seeds`
            }
            const [size] = yield* sql<{ keys: number; bytes: number; heap: number }>`
              select count(*)::integer as keys, pg_total_relation_size('used_keys')::float8 / count(*) as bytes,
                pg_relation_size('used_keys')::float8 / count(*) as heap
              from used_keys`
            assert.strictEqual(size?.keys, 100_000)
            yield* Effect.logInfo(`A used key takes ${size?.bytes} bytes, ${size?.heap} of them its row`)
            assert.isBelow(size?.bytes ?? 0, 240)
          })
        )
      })
    )
  )
})
