import { randomUUID } from "node:crypto"
import type * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { Settings } from "../../src/Config.ts"
import {
  type Checkpoint,
  checkpointDigest,
  type Irregular,
  linkOf,
  noCheckpoint
} from "../../src/domain/AuditChain.ts"
import { asHex } from "../../src/domain/AuditExport.ts"
import { type SigningKey, signCheckpoint } from "../../src/domain/SigningKey.ts"
import { checkpointOf } from "../../src/layers/audit/auditSql.ts"
import * as Database from "../../src/layers/database/Database.ts"
import { newKey } from "../support/audit.ts"
import { onDatabase } from "../support/database.ts"
import { restricted, sealing } from "../support/gateway.ts"
import { sealedActions, verified, withTrail, write } from "../support/trail.ts"

/**
 * The role of calls may add events, and nothing to the proof of the trail. The sealer's role may add to the proof
 * what continues it: by more it could keep events to come out of every proof, and nothing would say so.
 */

const denied = "42501"

const codeOf = (error: unknown): string => {
  const cause = (error as SqlError).reason?.cause
  return Predicate.hasProperty(cause, "code") ? String(cause.code) : String(error)
}

const makeReady = (owner: string) =>
  Effect.scoped(
    Layer.build(
      Layer.fresh(Database.layer).pipe(
        Layer.provide(
          Settings.layer({
            DATABASE_URL: restricted(owner),
            MIGRATION_DATABASE_URL: owner,
            SEALER_DATABASE_URL: sealing(owner)
          })
        ),
        Layer.provide(Logger.layer([]))
      )
    )
  )

/** A seal and its checkpoint in one statement, as the sealer writes them, by whatever rule. */
interface Forged {
  readonly sequence: number
  readonly position: number
  readonly hash?: Uint8Array
  readonly previous?: Uint8Array
  readonly horizon?: number
  readonly at?: string
  readonly checkpointOf?: number
  readonly storedHash?: Uint8Array
  readonly oversize?: boolean
  /** Of the checkpoint before; null for a checkpoint of format 1. */
  readonly checkpointBefore?: string | null
}

const forge = (sql: PgClient.PgClient, key: SigningKey, forged: Forged) =>
  Effect.gen(function* () {
    yield* sql`
      insert into audit_keys (key_id, public_key) values (${key.verifying.id}, ${key.verifying.text})
      on conflict do nothing`
    const [event] = yield* sql<{ hash: Uint8Array }>`
      select hash from audit_events where position = ${forged.position}::bigint`
    const [head] = yield* sql<{ link: Uint8Array }>`
      select link from audit_seals where sequence = ${forged.sequence}::bigint - 1`
    const hash = forged.hash ?? event?.hash ?? new Uint8Array(32)
    const irregular: Irregular | undefined =
      forged.storedHash !== undefined
        ? { storedHash: forged.storedHash }
        : forged.oversize === true
          ? { oversizeAt: forged.position }
          : undefined
    const link = linkOf(forged.previous ?? head?.link ?? new Uint8Array(32), forged.sequence, hash, irregular)
    const [last] = yield* sql<{ checkpoint: Checkpoint }>`
      select ${checkpointOf(sql)} as checkpoint
      from audit_checkpoints c join audit_seals s using (sequence) order by c.sequence desc limit 1`
    const before = last === undefined ? noCheckpoint : checkpointDigest(last.checkpoint)
    const previous = forged.checkpointBefore === undefined ? before : forged.checkpointBefore
    const { signature } = signCheckpoint(key, {
      sequence: forged.sequence,
      link: asHex(link),
      at: "2027-01-01T00:00:00.000Z",
      previous: previous ?? noCheckpoint
    })
    yield* sql`
      with sealed as (
        insert into audit_seals (sequence, position, event_hash, link, stored_hash, oversize)
        values (
          ${forged.sequence}::bigint, ${forged.position}::bigint, ${hash}, ${link},
          ${forged.storedHash ?? null}::bytea, ${forged.oversize === true}::boolean
        )
      )
      insert into audit_checkpoints (sequence, at, format, previous, key_id, signature, horizon)
      values (
        ${forged.checkpointOf ?? forged.sequence}::bigint, ${forged.at ?? new Date().toISOString()}::timestamptz,
        ${previous === null ? 1 : 2}::integer, decode(${previous}::text, 'hex'), ${key.verifying.id},
        decode(${signature}, 'hex'), ${forged.horizon ?? 0}::bigint
      )`
  })

/** Three events of which two are sealed, and the roles of calls and of the sealer. */
const withThree = <A>(
  run: (trail: {
    readonly owner: PgClient.PgClient
    readonly calls: PgClient.PgClient
    readonly sealer: PgClient.PgClient
    readonly key: SigningKey
    readonly seal: Effect.Effect<number>
  }) => Effect.Effect<A, unknown>
) =>
  withTrail(({ sealer, sql, url }) =>
    Effect.gen(function* () {
      yield* makeReady(url)
      const key = newKey()
      const seal = yield* sealer(key)
      yield* write(sql)
      yield* write(sql)
      assert.strictEqual(yield* seal, 2)
      yield* write(sql)
      return yield* onDatabase(restricted(url), (calls) =>
        onDatabase(sealing(url), (sealer) => run({ owner: sql, calls, sealer, key, seal }))
      )
    })
  )

const refusedWith = (statement: Effect.Effect<unknown, unknown>, what: string) =>
  Effect.map(
    Effect.flip(Effect.asVoid(statement)).pipe(
      Effect.catch(() => Effect.die(new Error(`The database let it through: ${what}`)))
    ),
    codeOf
  )

it.live("the role of calls adds nothing to the proof, signs nothing and holds no sealer up", () =>
  withThree(({ calls, key, owner, seal }) =>
    Effect.gen(function* () {
      const { id, text } = newKey().verifying
      const attempts = {
        "a seal with its checkpoint, signed by nobody": forge(calls, newKey(), { sequence: 3, position: 3 }),
        "a seal": calls`
          insert into audit_seals (sequence, position, event_hash, link) values (3, 3, sha256('x'), sha256('x'))`,
        "a checkpoint": calls`
          insert into audit_checkpoints (sequence, at, key_id, signature, horizon)
          select sequence, now(), key_id, signature, horizon from audit_checkpoints`,
        "a key": calls`insert into audit_keys (key_id, public_key) values (${id}, ${text})`,
        "the lock of the sealer": calls`select from audit_sealing for update`,
        "a share of that lock": calls`select from audit_sealing for key share`,
        "a lock on the seals": calls.unsafe("do 'begin lock table audit_seals in share mode; end'").unprepared
      }
      for (const [what, attempt] of Object.entries(attempts)) {
        assert.strictEqual(yield* refusedWith(attempt, what), denied, what)
      }
      assert.strictEqual(yield* seal, 1)
      assert.strictEqual((yield* verified(owner, key)).last, 3)
    })
  )
)

it.live("no seal is taken that keeps an event to come out of the trail", () =>
  withThree(({ key, owner, seal, sealer }) =>
    Effect.gen(function* () {
      const stray = sealer`
        insert into audit_seals (sequence, position, event_hash, link)
        select 1000000000000000 + p, p, sha256('x'), sha256('x') from generate_series(4, 1000) as p`
      assert.strictEqual(yield* refusedWith(stray, "seals of what is to come"), denied)
      const alone = sealer`
        insert into audit_seals (sequence, position, event_hash, link)
        select 3, 3, e.hash,
          sha256('nodedc-audit/link/v1'::bytea || '\\x00'::bytea || s.link || int8send(3) || e.hash)
        from audit_events e, audit_seals s where e.position = 3 and s.sequence = 2`
      assert.strictEqual(yield* refusedWith(alone, "a seal without a checkpoint"), denied)
      const forgeries: Readonly<Record<string, Forged>> = {
        "of an event to come": { sequence: 3, position: 4 },
        "of another hash": { sequence: 3, position: 3, hash: new Uint8Array(32).fill(7) },
        "after another link": { sequence: 3, position: 3, previous: new Uint8Array(32).fill(7) },
        "out of the sequence": { sequence: 4, position: 3 },
        "of far ahead": { sequence: 1_000_000, position: 3 },
        "with a checkpoint of before": { sequence: 3, position: 3, checkpointOf: 2 },
        "as altered, though it is not": { sequence: 3, position: 3, storedHash: new Uint8Array(32).fill(7) },
        "as oversize, though its digest is another": { sequence: 3, position: 3, oversize: true },
        "with a checkpoint that names none before it": { sequence: 3, position: 3, checkpointBefore: null },
        "with a checkpoint that names another": { sequence: 3, position: 3, checkpointBefore: "7".repeat(64) }
      }
      for (const [what, forged] of Object.entries(forgeries)) {
        assert.include([denied, "23505"], yield* refusedWith(forge(sealer, key, forged), what), what)
      }
      yield* write(owner)
      assert.strictEqual(yield* seal, 2)
      assert.strictEqual((yield* verified(owner, key)).last, 4)
    })
  )
)

it.live("no horizon is taken that what is not sealed lies behind, nor a time that is none of now", () =>
  withThree(({ key, owner, seal, sealer }) =>
    Effect.gen(function* () {
      yield* write(owner)
      const forgeries: Readonly<Record<string, Forged>> = {
        "before an event to come": { sequence: 3, position: 3, horizon: 1000 },
        "before one that is not sealed": { sequence: 3, position: 4, horizon: 4 },
        "of the year 9999": { sequence: 3, position: 3, at: "9999-01-01T00:00:00Z" },
        "of long ago": { sequence: 3, position: 3, at: "2001-01-01T00:00:00Z" }
      }
      for (const [what, forged] of Object.entries(forgeries)) {
        assert.strictEqual(yield* refusedWith(forge(sealer, newKey(), forged), what), denied, what)
      }
      assert.strictEqual(yield* seal, 2)
      assert.strictEqual((yield* verified(owner, key)).last, 4)
    })
  )
)

it.live("no event is taken at a position that its writer says", () =>
  withThree(({ calls, owner, seal }) =>
    Effect.gen(function* () {
      for (const [overriding, position] of [
        ["", "9223372036854775807"],
        ["overriding system value", "9223372036854775807"],
        ["overriding system value", "default"],
        ["overriding user value", "5"]
      ]) {
        const statement = `insert into audit_events (position, id, at, action, outcome, request_id, via)
          ${overriding} values (${position}, '${randomUUID()}', now(), 'x', 'executed', 'r', 'admin')`
        // Without the words it is refused before rights are looked at: such a column is always generated.
        const code = yield* refusedWith(calls.unsafe(statement).unprepared, statement)
        assert.strictEqual(code, overriding === "" ? "428C9" : denied, statement)
      }
      yield* write(calls)
      assert.strictEqual(yield* seal, 2)
      assert.strictEqual((yield* sealedActions(owner)).length, 4)
    })
  )
)

it.live("no key is taken under an id that is not its own, nor an id with another key", () =>
  withThree(({ owner, seal, sealer }) =>
    Effect.gen(function* () {
      const [ours, other] = [newKey().verifying, newKey().verifying]
      for (const [id, text] of [
        ["a".repeat(32), ours.text],
        [ours.id, other.text],
        [ours.id, `${ours.text}\n`],
        [ours.id, ours.text.slice(0, 40)],
        [ours.id, "key"]
      ]) {
        const insert = sealer`insert into audit_keys (key_id, public_key) values (${id}, ${text})`
        assert.include(["23514", "22023"], yield* refusedWith(insert, `${id} ${text}`))
      }
      yield* sealer`insert into audit_keys (key_id, public_key) values (${ours.id}, ${ours.text})`
      assert.strictEqual(yield* seal, 1)
      assert.strictEqual((yield* sealedActions(owner)).length, 3)
    })
  )
)

it.live("an event that no hash came with is sealed as it stands", () =>
  withThree(({ calls, key, owner, seal }) =>
    Effect.gen(function* () {
      yield* calls`
        insert into audit_events (id, at, action, outcome, request_id, via, owner_user_id)
        values (${randomUUID()}::uuid, '9999-12-31', 'x', 'executed', 'r', 'admin', 'nobody')`
      assert.strictEqual(yield* seal, 2)
      assert.strictEqual((yield* verified(owner, key)).last, 4)
    })
  )
)
