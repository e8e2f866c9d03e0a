import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted, Schedule } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { noCheckpoint } from "../../src/domain/AuditChain.ts"
import { type SigningKey, signCheckpoint } from "../../src/domain/SigningKey.ts"
import * as AuditSealer from "../../src/layers/audit/AuditSealer.ts"
import { newKey } from "../support/audit.ts"
import { launch, script } from "../support/programs.ts"
import { anEvent, horizonOf, sealedActions, withTrail, write } from "../support/trail.ts"

/** What others do in the database holds neither the sealer up nor the verifier's view together. */

const many = 100_000

/** One connection, so that its statistics can be flushed. */
const alone = (url: string) =>
  PgClient.make({ url: Redacted.make(url), maxConnections: 1 }).pipe(Effect.provide(Reactivity.layer))

/** Events after the horizon that have their seals, as if they had come while a transaction stayed open. */
const sealedMeanwhile = Effect.fnUntraced(function* (sql: PgClient.PgClient, key: SigningKey) {
  for (const table of ["audit_seals", "audit_checkpoints"]) {
    yield* sql`alter table ${sql(table)} disable trigger all`
  }
  yield* sql`
    insert into audit_events (id, at, action, outcome, request_id, via)
    select gen_random_uuid(), now(), 'meanwhile', 'executed', 'r', 'mcp' from generate_series(1, ${many}::integer)`
  yield* sql`
    insert into audit_seals (sequence, position, event_hash, link)
    select row_number() over (order by position), position, sha256('x'), sha256(int8send(position))
    from audit_events`
  const [end] = yield* sql<{ sequence: number; link: string; at: string }>`
    select sequence::float8 as sequence, encode(link, 'hex') as link, iso(now()) as at
    from audit_seals order by sequence desc limit 1`
  if (end === undefined) return assert.fail("no seal")
  const {
    at,
    key_id,
    link: _,
    previous,
    sequence,
    signature
  } = signCheckpoint(key, { ...end, previous: noCheckpoint })
  yield* sql`insert into audit_keys (key_id, public_key) values (${key.verifying.id}, ${key.verifying.text})`
  yield* sql`
    insert into audit_checkpoints (sequence, at, format, previous, key_id, signature, horizon)
    values (
      ${sequence}::bigint, ${at}::timestamptz, 2, decode(${previous}, 'hex'), ${key_id},
      decode(${signature}, 'hex'), 0
    )`
  for (const table of ["audit_seals", "audit_checkpoints"]) {
    yield* sql`alter table ${sql(table)} enable trigger all`
  }
  yield* sql`analyze audit_events, audit_seals`
})

/** Rows of the trail that were read so far. */
const rowsRead = Effect.fnUntraced(function* (reader: PgClient.PgClient) {
  yield* reader`select pg_stat_force_next_flush()`
  yield* reader`select pg_stat_clear_snapshot()`
  const [row] = yield* reader<{ rows: number }>`
    select sum(coalesce(seq_tup_read, 0) + coalesce((
      select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid
    ), 0))::float8 as rows
    from pg_stat_user_tables t where relname in ('audit_events', 'audit_seals')`
  return row?.rows ?? 0
})

it.live(
  "a transaction that stays open for long makes no round of the sealer read all that came meanwhile",
  () =>
    withTrail(({ connect, sql, url }) =>
      Effect.gen(function* () {
        const key = newKey()
        const client = yield* alone(url)
        const slow = yield* connect
        const [written, commit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const late = yield* Effect.forkScoped(
          slow.withTransaction(
            Effect.gen(function* () {
              yield* write(slow, anEvent("late"))
              yield* Deferred.succeed(written, undefined)
              yield* Deferred.await(commit)
            })
          )
        )
        yield* Deferred.await(written)
        yield* sealedMeanwhile(sql, key)
        const { all, batch } = AuditSealer.makeSealer(client, key)
        yield* write(sql, anEvent("one"))
        yield* all
        yield* write(sql, anEvent("two"))
        const before = yield* rowsRead(client)
        assert.strictEqual(yield* batch, 1)
        assert.isBelow((yield* rowsRead(client)) - before, many)

        yield* Deferred.succeed(commit, undefined)
        yield* Fiber.join(late)
        // A round for each 20,000 events that came in between, and the one that finds it.
        for (let round = 0; round < 8; round++) yield* batch
        assert.deepStrictEqual((yield* sealedActions(sql)).slice(-3), ["one", "two", "late"])
        // And what held it back is caught up with, a stretch at a time.
        for (let round = 0; round < 10; round++) {
          yield* write(sql, anEvent("after"))
          assert.strictEqual(yield* batch, 1)
        }
        assert.isAtLeast((yield* horizonOf(sql)) ?? 0, many)
      })
    )
)

it.live("audit:verify of a database says what one moment held: what is sealed meanwhile still waits", () =>
  withTrail(({ connect, sql, url }) =>
    Effect.gen(function* () {
      const key = newKey()
      const client = yield* connect
      const { batch } = AuditSealer.makeSealer(client, key)
      yield* write(sql)
      assert.strictEqual(yield* batch, 1)
      yield* write(sql)
      const program = yield* client.withTransaction(
        Effect.gen(function* () {
          // The verifier waits for the keys once it has seen where the trail ends.
          yield* client`lock table audit_keys in access exclusive mode`
          const begun = yield* launch(
            script("src/cli/auditVerify.ts", "--database-url", url, "--key", key.verifying.text)
          )
          yield* sql`select from pg_locks where relation = 'audit_keys'::regclass and not granted`.pipe(
            Effect.flatMap((rows) => (rows.length > 0 ? Effect.void : Effect.fail("not yet"))),
            Effect.retry(($) =>
              $(Schedule.spaced("50 millis")).pipe(Schedule.upTo({ duration: "2 minutes" }))
            )
          )
          assert.strictEqual(yield* batch, 1)
          return begun
        })
      )
      assert.strictEqual(yield* program.ended, 0, program.said())
      assert.match(program.said(), /^verified: 1 event, sequence 1–1; .*; 1 not sealed yet\n$/)
    })
  )
)
