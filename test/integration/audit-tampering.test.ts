import type * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Logger, Schedule, Stream } from "effect"
import { beginning, linkOf } from "../../src/domain/AuditChain.ts"
import { AuditFault } from "../../src/domain/AuditVerification.ts"
import * as AuditProofPostgres from "../../src/layers/audit/AuditProofPostgres.ts"
import * as AuditSealer from "../../src/layers/audit/AuditSealer.ts"
import { newKey, verify } from "../support/audit.ts"
import { anEvent, exported, verified, withTrail, write } from "../support/trail.ts"

/** A sealer before a trail that the database's owner wrote anew: it puts no signature of its own on it. */

const guards = ["audit_events", "audit_seals", "audit_checkpoints", "audit_keys"]

const disarm = (sql: PgClient.PgClient) =>
  Effect.forEach(guards, (table) => sql`alter table ${sql(table)} disable trigger all`, { discard: true })

/** Another word in the event at a position, and the hashes and links from there on made to agree. */
const rewrite = (sql: PgClient.PgClient, position: number) =>
  Effect.gen(function* () {
    yield* disarm(sql)
    yield* sql`
      update audit_events set outcome = 'failed', hash = sha256('forged') where position = ${position}::bigint`
    const seals = yield* sql<{ sequence: number; hash: Uint8Array }>`
      select sequence::float8 as sequence, hash from audit_seals join audit_events using (position)
      order by sequence`
    let link: Uint8Array = beginning
    for (const { hash, sequence } of seals) {
      link = linkOf(link, sequence, hash)
      yield* sql`
        update audit_seals set event_hash = ${hash}, link = ${link} where sequence = ${sequence}::bigint`
    }
  })

const threeSealed = (sql: PgClient.PgClient, seal: Effect.Effect<number, unknown>) =>
  Effect.forEach(["one", "two", "three"], (action) => Effect.andThen(write(sql, anEvent(action)), seal), {
    discard: true
  })

it.live("a trail that was written anew is sealed no further by the sealer that knew it", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const { batch } = AuditSealer.makeSealer(yield* connect, key)
      yield* threeSealed(sql, batch)
      yield* rewrite(sql, 2)
      yield* sql`delete from audit_checkpoints where sequence < 3`
      yield* write(sql, anEvent("four"))
      const refused = yield* Effect.flip(batch)
      assert.strictEqual(refused._tag, "TrailRefused")
      assert.match(refused.message, /not the one that was sealed: event 3 was changed or is gone/)
      const said = verify(yield* exported(sql), { keys: [key.verifying], checkpoint: undefined })
      assert.instanceOf(said, AuditFault)
    })
  )
)

it.live("nor by one that starts anew, where the last signature is not good", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const client = yield* connect
      yield* threeSealed(sql, AuditSealer.makeSealer(client, key).batch)
      yield* rewrite(sql, 2)
      yield* sql`delete from audit_checkpoints where sequence < 3`
      yield* write(sql, anEvent("four"))
      const refused = yield* Effect.flip(AuditSealer.makeSealer(client, key).batch)
      assert.match(refused.message, /the signature of the checkpoint of event 3 is not good/)
    })
  )
)

it.live("what was sealed is not sealed anew after its seals were taken out", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const { batch } = AuditSealer.makeSealer(yield* connect, newKey())
      yield* threeSealed(sql, batch)
      yield* disarm(sql)
      yield* sql`delete from audit_checkpoints where sequence > 1`
      yield* sql`delete from audit_seals where sequence > 1`
      yield* sql`update audit_events set outcome = 'failed', hash = null where position = 2`
      const refused = yield* Effect.flip(batch)
      assert.match(refused.message, /event 3 was changed or is gone/)
    })
  )
)

it.live("seals that no checkpoint is of are extended by nobody", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const client = yield* connect
      const key = newKey()
      yield* threeSealed(sql, AuditSealer.makeSealer(client, key).batch)
      yield* disarm(sql)
      yield* sql`
        insert into audit_seals (sequence, position, event_hash, link)
        select 1000 + p, p, sha256('x'), sha256('x') from generate_series(5, 20) as p`
      yield* write(sql, anEvent("four"))
      const refused = yield* Effect.flip(AuditSealer.makeSealer(client, key).batch)
      assert.match(refused.message, /it has seals up to 1020 and the last checkpoint is of 3/)
      assert.strictEqual(yield* AuditProofPostgres.countUnsigned(sql), 16)
    })
  )
)

it.live("an event behind a horizon that says too much is found and sealed, and that is said", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const client = yield* connect
      yield* threeSealed(sql, AuditSealer.makeSealer(client, key).batch)
      yield* disarm(sql)
      yield* sql`update audit_checkpoints set horizon = 1000 where sequence = 3`
      for (const action of ["four", "five"]) yield* write(sql, anEvent(action))
      assert.strictEqual(yield* AuditProofPostgres.countUnsealedBehind(sql), 2)
      const said: Array<string> = []
      const keep = Logger.make(({ message }) => {
        said.push([message].flat().map(String).join(" "))
      })
      const sealer = AuditSealer.makeSealer(client, key)
      assert.strictEqual(yield* sealer.batch.pipe(Effect.provide(Logger.layer([keep]))), 2)
      assert.isTrue(said.some((line) => line.startsWith("Sealed 2 events that earlier batches had missed")))
      assert.strictEqual(yield* AuditProofPostgres.countUnsealedBehind(sql), 0)
      assert.strictEqual((yield* verified(sql, key)).last, 5)
    })
  )
)

it.live("the log is told where the trail ends, and not of one that was changed", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const { anchor, batch } = AuditSealer.makeSealer(yield* connect, key)
      const said: Array<string> = []
      const keep = Logger.make(({ message }) => {
        said.push([message].flat().map(String).join(" "))
      })
      const told = anchor.pipe(Effect.provide(Logger.layer([keep])))
      yield* told
      assert.deepStrictEqual(said, [])
      yield* threeSealed(sql, batch)
      yield* told
      const [{ link } = { link: "" }] = yield* sql<{ link: string }>`
        select encode(link, 'hex') as link from audit_seals where sequence = 3`
      assert.deepStrictEqual(said, [
        `The audit trail is sealed to event 3, link ${link}, signed with the key ${key.verifying.id}`
      ])
      yield* rewrite(sql, 1)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(told)))
      assert.strictEqual(said.length, 1)
    })
  )
)

it.live("a part ends at an instant that is over, and only after a batch that is under way", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const [slow, reader] = [yield* connect, yield* connect]
      const proof = AuditProofPostgres.make(reader)
      const coming = yield* Effect.flip(proof.export({ from: undefined, to: "2999-01-01T00:00:00.000Z" }))
      assert.deepStrictEqual([coming._tag, "reason" in coming && coming.reason], ["InputInvalid", "invalid"])
      yield* write(sql)
      const seen = (rows: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
        rows.pipe(
          Effect.flatMap((found) => (found.length > 0 ? Effect.void : Effect.fail("not yet"))),
          Effect.retry(($) => $(Schedule.spaced("20 millis")).pipe(Schedule.upTo({ duration: "2 minutes" })))
        )
      const batchOpen = seen(
        sql`select from pg_locks where relation = 'audit_sealing'::regclass and mode = 'RowShareLock'`
      )
      const exportWaits = seen(sql`
        select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query like '%RowShareLock%'`)
      const exporting = Effect.gen(function* () {
        yield* batchOpen
        const [{ now } = { now: "" }] = yield* sql<{ now: string }>`select iso(clock_timestamp()) as now`
        const pieces = yield* Stream.runCollect(yield* proof.export({ from: undefined, to: now }))
        return [...pieces].join("")
      })
      const sealingSlowly = slow.withTransaction(
        Effect.gen(function* () {
          assert.strictEqual(yield* AuditSealer.makeSealer(slow, key).batch, 1)
          yield* exportWaits
        })
      )
      const [part] = yield* Effect.all([exporting, sealingSlowly], { concurrency: "unbounded" })
      assert.include(part, '"sequence":1,"type":"event"')
    })
  )
)
