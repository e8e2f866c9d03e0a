import { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, Duration, Effect, Layer, Option, Schema } from "effect"
import { Settings } from "../Config.ts"
import { beginning, type Digest, eventHash, linkOf } from "../domain/AuditChain.ts"
import { AuditEvent } from "../domain/AuditEvent.ts"
import { asHex } from "../domain/AuditExport.ts"
import type { GatewayUnavailable } from "../domain/Failure.ts"
import { type SigningKey, signCheckpoint, type VerifyingKey } from "../domain/SigningKey.ts"
import { makeHorizon } from "./auditHorizon.ts"
import { horizon, isUnsealed, shownEvent } from "./auditSql.ts"
import { storage } from "./storage.ts"

/**
 * Seals the trail: numbers the events, chains them, signs. Every instance has a sealer and any of them
 * does the work. A batch and its checkpoint are one transaction, so every sealed event is signed for.
 *
 * The order of the trail is the order of sealing, not of positions in the table: an event takes its
 * position when it is written and may be committed after others that come later. Each round looks for
 * whatever has no seal, so nothing is skipped, and nothing waits for a transaction that lasts.
 */

/** Between rounds: the trail is sealed about so far behind the events. */
const pause = Duration.seconds(2)
/** The same where a round failed. */
const pauseAfterFailure = Duration.seconds(10)

/** Few enough that a batch takes some tens of milliseconds. */
const batch = 1000

/** How long the gateway's end may wait for the last events to be sealed. */
const farewell = "5 seconds"

/** Any constant serves, so long as nothing else in the database takes the same. */
const lock = 7_305_402_612

const rowsOf = <S extends Schema.Constraint>(row: S) => Schema.decodeUnknownEffect(Schema.Array(row))

const decodeTurn = rowsOf(Schema.Struct({ taken: Schema.Boolean, now: Schema.String, server: Schema.String }))

const decodeHead = rowsOf(
  Schema.Struct({
    sequence: Schema.Int,
    link: Schema.Uint8Array,
    at: Schema.String,
    horizon: Schema.BigInt
  })
)

const Waiting = Schema.Struct({
  position: Schema.BigInt,
  hash: Schema.NullOr(Schema.Uint8Array),
  /** Where there is no hash yet. */
  event: Schema.NullOr(AuditEvent)
})
const decodeWaiting = rowsOf(Waiting)

/** Makes a key's public half known to whoever verifies. */
const publish = (sql: PgClient, { id, text }: VerifyingKey) => sql`
  insert into audit_keys (key_id, public_key) values (${id}, ${text}) on conflict do nothing`

/**
 * Seals one batch and tells how many events it held: none where nothing waits, or where another instance
 * is at it.
 */
export const makeSealBatch = (sql: PgClient, key: SigningKey): Effect.Effect<number, GatewayUnavailable> => {
  const reach = makeHorizon(sql)

  const turn = Effect.gen(function* () {
    // What is committed between two statements has to be seen by the second, whatever the database's default.
    yield* sql`set transaction isolation level read committed`
    // Held until the transaction ends, however it ends: also where a pooler lends out the session.
    const [turn] = yield* Effect.flatMap(
      sql`
        select pg_try_advisory_xact_lock(${lock}::bigint) as taken, iso(clock_timestamp()) as now,
          pg_postmaster_start_time()::text as server`,
      decodeTurn
    )
    if (turn?.taken !== true) return 0
    yield* reach.settle(turn.server)
    const [head] = yield* Effect.flatMap(
      sql`
        select c.sequence::float8 as sequence, s.link, iso(c.at) as at, c.horizon
        from audit_checkpoints c join audit_seals s using (sequence)
        order by c.sequence desc limit 1`,
      decodeHead
    )
    const after = head?.horizon ?? 0n
    const waiting = yield* Effect.flatMap(
      sql`
        select e.position, e.hash, case when e.hash is null then ${shownEvent(sql)} end as event
        from audit_events e
        where ${isUnsealed(sql, sql`${after.toString()}::bigint`)}
        order by e.position
        limit ${batch}::integer`,
      decodeWaiting
    )
    const last = waiting.at(-1)
    if (last === undefined) return 0
    const seals = chain(waiting, head?.sequence ?? 0, head?.link ?? beginning)
    // Of a full batch it is known of its own events only that nothing before them is left.
    const nothingLeft = waiting.length < batch ? reach.settled() : least(reach.settled(), last.position)
    yield* write(seals, {
      at: head !== undefined && head.at > turn.now ? head.at : turn.now,
      horizon: nothingLeft > after ? nothingLeft : after
    })
    yield* reach.observe
    return waiting.length
  })

  const write = Effect.fnUntraced(function* (
    seals: ReadonlyArray<Seal>,
    { at, horizon }: { readonly at: string; readonly horizon: bigint }
  ) {
    const { sequence, link } = seals.at(-1) as Seal
    const { signature } = signCheckpoint(key, { sequence, link, at })
    yield* publish(sql, key.verifying)
    yield* sql`
      with sealed as (
        insert into audit_seals (sequence, position, event_hash, link)
        select sequence, position, decode(hash, 'hex'), decode(link, 'hex')
        from jsonb_to_recordset(${sql.json(seals)})
          as seal (sequence bigint, position bigint, hash text, link text)
      )
      insert into audit_checkpoints (sequence, at, key_id, signature, horizon)
      values (
        ${sequence}::bigint, ${at}::timestamptz, ${key.verifying.id}, decode(${signature}, 'hex'),
        ${horizon.toString()}::bigint
      )`
  })

  return storage(
    Effect.gen(function* () {
      const found = yield* sql`select from audit_events e where ${isUnsealed(sql, horizon(sql))} limit 1`
      return found.length === 0 ? 0 : yield* sql.withTransaction(turn)
    })
  )
}

interface Seal {
  readonly sequence: number
  /** A decimal number: JSON has none that is as large as a bigint may be. */
  readonly position: string
  readonly hash: string
  readonly link: string
}

/** Numbers and links events, after the last that was sealed. */
const chain = (
  waiting: ReadonlyArray<typeof Waiting.Type>,
  sequence: number,
  link: Digest
): ReadonlyArray<Seal> => {
  let [number, previous] = [sequence, link]
  return waiting.map(({ event, hash, position }) => {
    const digest = hash ?? eventHash(event as AuditEvent)
    number++
    previous = linkOf(previous, number, digest)
    return { sequence: number, position: position.toString(), hash: asHex(digest), link: asHex(previous) }
  })
}

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other)

/** Seals for as long as the gateway runs, and at its end whatever is left. Needs nobody and is needed by nobody. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* PgClient
    const { auditSigningKey } = yield* Settings
    if (Option.isNone(auditSigningKey)) {
      return yield* Effect.logWarning("AUDIT_SIGNING_KEY is not set: the audit trail is not sealed")
    }
    const key = auditSigningKey.value
    const sealBatch = makeSealBatch(sql, key)
    const sealAll = Effect.repeat(sealBatch, { while: (sealed) => sealed === batch })
    // Calls have ended by then: what needs the database is released before it, the server first of all.
    yield* Effect.addFinalizer(() =>
      sealAll.pipe(
        Effect.timeout(farewell),
        Effect.catchCause(() => Effect.void)
      )
    )
    yield* sealAll.pipe(
      Effect.as(pause),
      Effect.catchTag("GatewayUnavailable", () => Effect.succeed(pauseAfterFailure)),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.as(Effect.logError("The audit trail could not be sealed", cause), pauseAfterFailure)
      ),
      Effect.flatMap(Effect.sleep),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Effect.ignore(storage(publish(sql, key.verifying)))
    yield* Effect.logInfo(`The audit trail is signed with the key ${key.verifying.id}`)
  })
)
