import { randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Predicate, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlError } from "effect/sql/SqlError"
import { freshDatabase } from "../support/gateway.ts"

/** A database with the gateway's schema and one connection, as its owner. */
class Owned extends Context.Service<Owned, PgClient.PgClient>()("test/Owned") {
  static readonly layer = Layer.effect(
    Owned,
    Effect.flatMap(freshDatabase, ({ url }) => PgClient.make({ url: Redacted.make(url), maxConnections: 1 }))
  ).pipe(Layer.provide(Reactivity.layer))
}

/** What a statement that must fail fails with: the constraint it breaks, or else its SQLSTATE. */
const broken = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<string> =>
  Effect.flip(statement).pipe(
    Effect.map(({ reason: { cause } }) => {
      if (Predicate.hasProperty(cause, "constraint") && Predicate.isString(cause.constraint))
        return cause.constraint
      return Predicate.hasProperty(cause, "code") ? String(cause.code) : String(cause)
    }),
    Effect.catch(() => Effect.die(new Error("The database let it through")))
  )

const hash = (length: number) => new Uint8Array(Buffer.alloc(length, randomUUID()))

/** An agent with a grant and a token, whose rows all is about here. */
const seeded = Effect.gen(function* () {
  const sql = yield* Owned
  const [agent, project, grant, token] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const
  yield* sql`
    insert into agents (id, owner_user_id, owner_email, display_name)
    values (${agent}, 'owner', 'owner@example.test', 'Agent')`
  yield* sql`
    insert into grants (id, agent_id, workspace_slug, project_id, scopes)
    values (${grant}, ${agent}, 'nodedc', ${project}, '{issue:read}')`
  yield* sql`insert into tokens (id, agent_id, name, hash) values (${token}, ${agent}, 'laptop', ${hash(32)})`
  return { sql, agent, project, grant, token }
})

layer(Owned.layer, { excludeTestServices: true })("the schema", (it) => {
  it.effect("admits one live grant an agent and project, and any number of revoked ones", () =>
    Effect.gen(function* () {
      const { sql, agent, project } = yield* seeded
      const another = Effect.suspend(
        () => sql`
          insert into grants (id, agent_id, workspace_slug, project_id, scopes)
          values (${randomUUID()}, ${agent}, 'nodedc', ${project}, '{issue:read}')`
      )
      assert.strictEqual(yield* broken(another), "grants_one_live")
      for (let time = 0; time < 3; time++) {
        yield* sql`update grants set revoked_at = now() where agent_id = ${agent} and revoked_at is null`
        yield* another
      }
    })
  )

  it.effect("admits no scope that there is not, no grant without one and no quota of none", () =>
    Effect.gen(function* () {
      const { sql, agent } = yield* seeded
      const grant = (scopes: string, max: number | null) => sql`
        insert into grants (id, agent_id, workspace_slug, project_id, scopes, max_writes_per_day)
        values (${randomUUID()}, ${agent}, 'nodedc', ${randomUUID()}, ${scopes}::text[], ${max}::integer)`
      assert.strictEqual(yield* broken(grant("{issue:read,issue:delete}", null)), "grants_scopes_check")
      assert.strictEqual(yield* broken(grant("{}", null)), "grants_scopes_check")
      assert.strictEqual(yield* broken(grant("{issue:read}", 0)), "grants_max_writes_per_day_check")
      yield* grant("{issue:read}", 1)
    })
  )

  it.effect("admits no more writes a day than the limit that they were counted under", () =>
    Effect.gen(function* () {
      const { sql, grant } = yield* seeded
      yield* sql`insert into grant_writes (grant_id, day, writes, max_writes) values (${grant}, '2026-01-01', 2, 2)`
      assert.strictEqual(
        yield* broken(sql`update grant_writes set writes = 3 where grant_id = ${grant}`),
        "grant_writes_within_quota"
      )
    })
  )

  it.effect("admits hashes of SHA-256 only, each once", () =>
    Effect.gen(function* () {
      const { sql, agent } = yield* seeded
      const token = (bytes: Uint8Array) =>
        sql`insert into tokens (id, agent_id, name, hash) values (${randomUUID()}, ${agent}, 'x', ${bytes})`
      const code = (bytes: Uint8Array) => sql`
        insert into pairing_codes (id, agent_id, code_hash, expires_at)
        values (${randomUUID()}, ${agent}, ${bytes}, now() + interval '10 minutes')`
      for (const length of [0, 31, 33]) {
        assert.strictEqual(yield* broken(token(hash(length))), "tokens_hash_check")
        assert.strictEqual(yield* broken(code(hash(length))), "pairing_codes_code_hash_check")
      }
      const one = hash(32)
      yield* token(one)
      assert.strictEqual(yield* broken(token(one)), "tokens_hash_key")
      yield* code(one)
      assert.strictEqual(yield* broken(code(one)), "pairing_codes_code_hash_key")
    })
  )

  it.effect("admits a key in one of its five states, with what belongs to that state and nothing else", () =>
    Effect.gen(function* () {
      const { sql, agent, project, grant, token } = yield* seeded
      const insert = (row: {
        readonly state: string
        readonly lease?: boolean
        readonly intent?: boolean
        readonly answer?: boolean
        readonly settled?: boolean
        readonly look?: boolean
        readonly key?: string
        readonly fingerprint?: string
      }) => sql`
        insert into idempotency_keys (
          id, agent_id, key, tool, project_id, grant_id, token_id, fingerprint, state, lease_until, intent,
          answer, settled_at, look_at, request_id
        ) values (
          ${randomUUID()}, ${agent}, ${row.key ?? randomUUID()}, 'tasker_create_issue', ${project}, ${grant}, ${token},
          ${row.fingerprint ?? "a".repeat(64)}, ${row.state},
          case when ${row.lease ?? false}::boolean then now() end,
          case when ${row.intent ?? false}::boolean then '{}'::jsonb end,
          case when ${row.answer ?? false}::boolean then '{}'::jsonb end,
          case when ${row.settled ?? false}::boolean then now() end,
          case when ${row.look ?? false}::boolean then now() end, 'r'
        )`
      const states = {
        in_progress: { lease: true, intent: true, answer: false, settled: false, look: false },
        unknown: { lease: false, intent: true, answer: false, settled: false, look: true },
        unresolved: { lease: false, intent: true, answer: false, settled: false, look: false },
        executed: { lease: false, intent: false, answer: true, settled: true, look: false },
        not_executed: { lease: false, intent: false, answer: false, settled: true, look: false }
      }
      const rules = {
        lease: "lease_while_in_progress",
        intent: "intent_until_settled",
        answer: "answer_once_executed",
        settled: "settled_once_known",
        look: "look_while_unknown"
      }
      for (const [state, columns] of Object.entries(states)) {
        yield* insert({ state, ...columns })
        for (const [column, rule] of Object.entries(rules)) {
          const wrong = { state, ...columns, [column]: !columns[column as keyof typeof columns] }
          assert.strictEqual(yield* broken(insert(wrong)), rule)
        }
      }
      const unknown = { state: "unknown", intent: true, look: true }
      assert.strictEqual(
        yield* broken(insert({ ...states.unknown, state: "released" })),
        "idempotency_keys_state_check"
      )
      assert.strictEqual(yield* broken(insert({ ...unknown, key: "short" })), "idempotency_keys_key_check")
      assert.strictEqual(
        yield* broken(insert({ ...unknown, fingerprint: "x" })),
        "idempotency_keys_fingerprint_check"
      )
      yield* insert({ ...unknown, key: "twice-the-same" })
      assert.strictEqual(
        yield* broken(insert({ ...unknown, key: "twice-the-same" })),
        "idempotency_keys_one_write"
      )
    })
  )
})

layer(Owned.layer, { excludeTestServices: true })("an audit event", (it) => {
  const recorded = Effect.gen(function* () {
    const sql = yield* Owned
    const id = randomUUID()
    yield* sql`
      insert into audit_events (id, at, action, outcome, request_id, via)
      values (${id}, now(), 'agent.created', 'executed', 'r', 'admin')`
    return { sql, id }
  })
  const insufficientPrivilege = "42501"

  const refusesAll = (sql: PgClient.PgClient, id: string) =>
    Effect.gen(function* () {
      for (const statement of [
        sql`update audit_events set outcome = 'failed' where id = ${id}`,
        sql`update audit_events set outcome = 'failed' where false`,
        sql`delete from audit_events where id = ${id}`,
        sql`truncate audit_events`,
        sql`truncate audit_events cascade`,
        sql`merge into audit_events e using (select ${id}::uuid as id) s on e.id = s.id when matched then delete`,
        sql`
          insert into audit_events (id, at, action, outcome, request_id, via)
          values (${id}, now(), 'x', 'failed', 'r', 'admin')
          on conflict (id) do update set outcome = excluded.outcome`
      ]) {
        assert.strictEqual(yield* broken(statement), insufficientPrivilege)
      }
      assert.deepStrictEqual(yield* sql`select outcome from audit_events where id = ${id}`, [
        { outcome: "executed" }
      ])
    })

  it.effect("can't be changed or removed, not even by the owner of the table", () =>
    Effect.flatMap(recorded, ({ sql, id }) => refusesAll(sql, id))
  )

  it.effect("can't be changed or removed by a session that plays the part of a replica", () =>
    Effect.gen(function* () {
      const { sql, id } = yield* recorded
      yield* sql`set session_replication_role = replica`
      yield* refusesAll(sql, id)
      yield* sql`reset session_replication_role`
    })
  )

  it.effect(
    "can't be changed or removed by a role that was granted everything, nor its guard taken away",
    () =>
      Effect.gen(function* () {
        const { sql, id } = yield* recorded
        const role = `plain_${randomUUID().replaceAll("-", "")}`
        yield* sql`create role ${sql(role)}`
        yield* sql`grant all on all tables in schema public to ${sql(role)}`
        yield* sql`set role ${sql(role)}`
        yield* refusesAll(sql, id)
        for (const statement of [
          sql`alter table audit_events disable trigger all`,
          sql`drop trigger audit_events_append_only on audit_events`,
          sql`drop table audit_events`,
          sql`set session_replication_role = replica`
        ]) {
          assert.strictEqual(yield* broken(statement), insufficientPrivilege)
        }
        yield* sql`
        insert into audit_events (id, at, action, outcome, request_id, via)
        values (${randomUUID()}, now(), 'agent.created', 'executed', 'r', 'admin')`
        yield* sql`reset role`
        yield* sql`drop owned by ${sql(role)}`
        yield* sql`drop role ${sql(role)}`
      })
  )
})
