import { randomUUID } from "node:crypto"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Redacted, Schedule } from "effect"
import { Settings } from "../../src/Config.ts"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { AuditFault } from "../../src/domain/AuditVerification.ts"
import * as AuditLogPostgres from "../../src/layers/audit/AuditLogPostgres.ts"
import * as AuditProofPostgres from "../../src/layers/audit/AuditProofPostgres.ts"
import * as AuditSealer from "../../src/layers/audit/AuditSealer.ts"
import { keptNothing, newKey, verify } from "../support/audit.ts"
import { gateTo } from "../support/gate.ts"
import { signingKey } from "../support/gateway.ts"
import { anEvent, exported, horizonOf, sealedActions, verified, withTrail, write } from "../support/trail.ts"

/** The sealer against PostgreSQL, batch by batch, with writers and other sealers beside it. */

it.live("seals every event once, in one chain without a gap, however many write and seal at once", () =>
  withTrail(({ connect, sealer, sql }) =>
    Effect.gen(function* () {
      const keys = [newKey(), newKey()] as const
      const sealers = yield* Effect.forEach(keys, (key) => sealer(key))
      const writers = yield* Effect.replicateEffect(connect, 2)
      const writing = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 1500 }, (_, n) => n),
          (n) => write(writers[n % 2] as PgClient.PgClient),
          { concurrency: 12, discard: true }
        )
      )
      const sealing = Effect.forEach(sealers, (batch) => batch, { concurrency: "unbounded" })
      while (writing.pollUnsafe() === undefined) yield* sealing
      yield* Fiber.join(writing)
      yield* sealing
      const proof = AuditProofPostgres.make(sql)
      assert.deepStrictEqual(yield* Effect.orDie(proof.unsealed), { events: 0, oldestSeconds: 0 })
      const { last, signer } = yield* verified(sql, ...keys)
      assert.deepStrictEqual([last, signer], [1500, "checked"])
      const [counts] = yield* Effect.orDie(sql`
        select count(distinct position)::integer as events, max(sequence)::integer as last from audit_seals`)
      assert.deepStrictEqual(counts, { events: 1500, last: 1500 })
    })
  )
)

it.live("takes an event that is committed late when it comes, and keeps none waiting for it", () =>
  withTrail(({ connect, sealer, sql }) =>
    Effect.gen(function* () {
      const seal = yield* sealer(newKey())
      const slow = yield* connect
      const written = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const late = yield* Effect.forkChild(
        slow.withTransaction(
          Effect.gen(function* () {
            yield* write(slow, anEvent("late"))
            yield* Deferred.succeed(written, undefined)
            yield* Deferred.await(commit)
          })
        )
      )
      yield* Deferred.await(written)
      for (const action of ["one", "two", "three"]) {
        yield* write(sql, anEvent(action))
        assert.strictEqual(yield* seal, 1)
      }
      // The place of the late one is still to be looked at.
      assert.strictEqual(yield* horizonOf(sql), 0)
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(late)
      assert.strictEqual(yield* seal, 1)
      assert.deepStrictEqual(yield* sealedActions(sql), ["one", "two", "three", "late"])
      assert.strictEqual((yield* verified(sql)).last, 4)
      // Nothing can come there any more, so nobody looks there again.
      yield* write(sql, anEvent("four"))
      yield* seal
      assert.isAtLeast((yield* horizonOf(sql)) ?? 0, 4)
    })
  )
)

it.live("is not held up by a place that stays empty, nor by who only reads", () =>
  withTrail(({ connect, sealer, sql }) =>
    Effect.gen(function* () {
      const seal = yield* sealer(newKey())
      const reader = yield* connect
      const given = yield* connect
      yield* Effect.exit(
        given.withTransaction(Effect.andThen(write(given, anEvent("rolled back")), Effect.fail("undone")))
      )
      yield* reader.withTransaction(
        Effect.gen(function* () {
          yield* reader`select pg_current_xact_id()::text, count(*) from audit_events`
          for (const action of ["one", "two", "three"]) {
            yield* write(sql, anEvent(action))
            assert.strictEqual(yield* seal, 1)
          }
          assert.isAtLeast((yield* horizonOf(sql)) ?? 0, 3)
        })
      )
      assert.deepStrictEqual(yield* sealedActions(sql), ["one", "two", "three"])
    })
  )
)

it.live("goes on where a sealer that was killed in the middle left off", () =>
  withTrail(({ connect, sealer, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const seal = yield* sealer(key)
      yield* write(sql)
      yield* seal
      yield* write(sql)
      // One that has done all but commit: its backend is ended, as when its process is killed.
      const doomed = yield* connect
      yield* Effect.exit(
        doomed.withTransaction(
          Effect.gen(function* () {
            assert.strictEqual(yield* AuditSealer.makeSealer(doomed, key).batch, 1)
            const [{ pid } = { pid: 0 }] = yield* doomed<{ pid: number }>`select pg_backend_pid() as pid`
            assert.strictEqual(yield* seal, 0, "another one waits for nobody")
            yield* sql`select pg_terminate_backend(${pid}::integer, 5000)`
            yield* doomed`select 1`
          })
        )
      )
      assert.strictEqual((yield* verified(sql, key)).last, 1)
      assert.strictEqual(yield* seal, 1)
      assert.strictEqual((yield* verified(sql, key)).last, 2)
    })
  )
)

it.live("hashes what a gateway of before wrote without a hash, and seals it as it stands", () =>
  withTrail(({ sealer, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* sql`
        insert into audit_events (id, at, action, outcome, agent_id, request_id, via)
        select gen_random_uuid(), now() - n * interval '1 minute', 'old', 'executed', gen_random_uuid(), 'r', 'mcp'
        from generate_series(1, 2500) as n`
      const seal = yield* sealer(key)
      assert.deepStrictEqual([yield* seal, yield* seal, yield* seal, yield* seal], [1000, 1000, 500, 0])
      const { last, signer } = yield* verified(sql, key)
      assert.deepStrictEqual([last, signer], [2500, "checked"])
      // What is behind is not read again: each batch begins after the one before.
      assert.isAtLeast((yield* horizonOf(sql)) ?? 0, 2000)
    })
  )
)

it.live("seals in smaller batches where the database is too slow for a whole one", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* sql`
        insert into audit_events (id, at, action, outcome, request_id, via)
        select gen_random_uuid(), now(), 'old', 'executed', 'r', 'mcp' from generate_series(1, 300)`
      yield* sql`
        create function too_much() returns trigger language plpgsql as
        'begin
          if (select count(*) from added) > 100 then
            raise exception ''no space left'' using errcode = ''disk_full'';
          end if;
          return null;
        end'`
      yield* sql`
        create trigger too_much after insert on audit_seals referencing new table as added
        for each statement execute function too_much()`
      const { batch } = AuditSealer.makeSealer(yield* connect, key)
      const sealed = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.orElseSucceed(batch, () => -1)
      )
      assert.deepStrictEqual(sealed.slice(0, 5), [-1, -1, -1, -1, 62])
      assert.strictEqual((yield* verified(sql, key)).last, 300)
    })
  )
)

it.live("goes on by itself once the database is back", () =>
  withTrail(({ sql, url }) =>
    Effect.gen(function* () {
      const gate = yield* gateTo(url)
      const noticed = yield* Deferred.make<void>()
      const noticing = Logger.make(({ message }) => {
        if (/database/.test(String(message))) Deferred.doneUnsafe(noticed, Effect.void)
      })
      yield* Layer.build(
        AuditSealer.layer.pipe(
          Layer.provide(PgClient.layer({ url: Redacted.make(gate.url), connectTimeout: "1 second" })),
          Layer.provide(Settings.layer({ AUDIT_SIGNING_KEY: signingKey() })),
          Layer.provide(Logger.layer([noticing]))
        )
      )
      const proof = AuditProofPostgres.make(sql)
      const sealed = proof.unsealed.pipe(
        Effect.flatMap(({ events }) => (events === 0 ? Effect.void : Effect.fail(events))),
        Effect.retry(($) => $(Schedule.spaced("100 millis")).pipe(Schedule.upTo({ duration: "5 minutes" })))
      )
      yield* write(sql)
      yield* sealed
      yield* gate.shut
      yield* write(sql)
      yield* Deferred.await(noticed)
      yield* gate.open
      yield* write(sql)
      yield* sealed
      assert.strictEqual((yield* verified(sql)).last, 3)
    })
  )
)

it.live("holds the event that many equal denials became, with its count and its hash", () =>
  withTrail(({ sealer, sql, url }) =>
    Effect.gen(function* () {
      const denied: AuditEvent = {
        ...anEvent("tasker_create_issue"),
        outcome: "denied",
        reason: "limit.rate",
        agent_id: randomUUID() as AuditEvent["agent_id"]
      }
      yield* sql`
        insert into denial_tallies (agent_id, action, reason, minute, denials, last_event)
        select ${denied.agent_id}::uuid, action, 'limit.rate', now() - interval '2 minutes', denials, ${sql.json(denied)}
        from (values ('tasker_create_issue', 100), ('tasker_move_issue', 60)) as tally (action, denials)`
      yield* Layer.build(
        AuditLogPostgres.layer.pipe(
          Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
          Layer.provide(NodeCrypto.layerSecureRandom)
        )
      )
      const found = yield* sql<{ count: number; hashed: boolean }>`
        select count, hash is not null as hashed from audit_events`.pipe(
        Effect.flatMap((rows) => (rows.length > 0 ? Effect.succeed(rows) : Effect.fail("not yet"))),
        Effect.retry(($) => $(Schedule.spaced("50 millis")).pipe(Schedule.upTo({ duration: "5 minutes" })))
      )
      assert.deepStrictEqual(found, [{ count: 40, hashed: true }])
      yield* yield* sealer(newKey())
      assert.strictEqual((yield* verified(sql)).last, 1)
    })
  )
)

it.live("tells how many events wait and for how long", () =>
  withTrail(({ sealer, sql }) =>
    Effect.gen(function* () {
      const proof = AuditProofPostgres.make(sql)
      yield* write(sql, { ...anEvent(), at: new Date(Date.now() - 60_000).toISOString() })
      yield* write(sql)
      const { events, oldestSeconds } = yield* proof.unsealed
      assert.strictEqual(events, 2)
      assert.isAtLeast(oldestSeconds, 60)
      yield* yield* sealer(newKey())
      assert.deepStrictEqual(yield* proof.unsealed, { events: 0, oldestSeconds: 0 })
    })
  )
)

it.live("shows who with all rights over the database changed, removed or put in an event", () =>
  withTrail(({ sealer, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const seal = yield* sealer(key)
      for (const action of ["one", "two", "three", "four"]) {
        yield* write(sql, anEvent(action))
        yield* seal
      }
      yield* sql`alter table audit_events disable trigger all`
      yield* sql`alter table audit_seals disable trigger all`
      yield* sql`alter table audit_seals drop constraint audit_seals_position_key`
      const says = (change: Effect.Effect<unknown, unknown>) =>
        Effect.orDie(
          sql
            .withTransaction(
              Effect.gen(function* () {
                yield* change
                const said = verify(yield* exported(sql), { ...keptNothing, keys: [key.verifying] })
                return yield* Effect.fail(said instanceof AuditFault ? said.message : "verified")
              })
            )
            .pipe(Effect.flip, Effect.map(String))
        )
      assert.strictEqual(yield* says(Effect.void), "verified")
      assert.match(
        yield* says(sql`update audit_events set outcome = 'failed' where action = 'three'`),
        /^sequence 3: this event was changed/
      )
      assert.match(
        yield* says(sql`update audit_events set at = at + interval '1 ms' where action = 'two'`),
        /^sequence 2: this event was changed/
      )
      assert.match(
        yield* says(sql`delete from audit_events where action = 'two'`),
        /^sequence 2: this event was changed/
      )
      assert.match(
        yield* says(sql`delete from audit_seals where sequence = 2`),
        /^sequence 2: event 2 is missing here/
      )
      assert.match(
        yield* says(sql`
          update audit_seals s set position = o.position, event_hash = o.event_hash
          from audit_seals o where s.sequence + o.sequence = 5 and s.sequence in (2, 3)`),
        /^sequence 2: /
      )
    })
  )
)
