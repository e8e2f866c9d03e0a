import { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { beginning, type Digest, linkOf, sha256 } from "../../domain/AuditChain.ts"
import { asHex } from "../../domain/AuditExport.ts"
import { canonicalJson } from "../../domain/CanonicalJson.ts"
import type { GatewayUnavailable } from "../../domain/Failure.ts"
import { type SigningKey, signCheckpoint, type VerifyingKey } from "../../domain/SigningKey.ts"
import { storage } from "../database/storage.ts"
import { anchorOf, type Head, makeHead, type Place, type TrailRefused } from "./auditHead.ts"
import { makeHorizon } from "./auditHorizon.ts"
import { horizon, isUnsealed, sealing, shownEvent } from "./auditSql.ts"
import { makeSweep } from "./auditSweep.ts"

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
/** What a batch comes down to where the database is too slow for more. */
const smallestBatch = 50

/** How long another may be at it, while events wait, before that is told. */
const longTurn = Duration.toMillis(Duration.minutes(2))

/** How often the log says where the trail ends. */
const anchoring = "1 hour"

/** How long the gateway's end may wait for the last events to be sealed. */
const farewell = "5 seconds"

const rowsOf = <S extends Schema.Constraint>(row: S) => Schema.decodeUnknownEffect(Schema.Array(row))

const decodeTurn = rowsOf(Schema.Struct({ taken: Schema.Boolean, now: Schema.String, server: Schema.String }))

const Waiting = Schema.Struct({
  position: Schema.BigInt,
  hash: Schema.NullOr(Schema.Uint8Array),
  /** Where there is no hash yet: as it stands, whatever it says. */
  event: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))
})
const decodeWaiting = rowsOf(Waiting)

/** Makes a key's public half known to whoever verifies. */
const publish = (sql: PgClient, { id, text }: VerifyingKey) => sql`
  insert into audit_keys (key_id, public_key) values (${id}, ${text}) on conflict do nothing`

/** One instance's sealer. What it has sealed or seen it remembers, and seals nothing on top of another trail. */
export const makeSealer = (sql: PgClient, key: SigningKey) => {
  const reach = makeHorizon(sql)
  const trail = makeHead(sql, key)
  const sweep = makeSweep(sql)
  let size = batch
  let full = false
  let waitingSince: number | undefined

  /** Where another one is at it: it is done in a moment, or holds the lock and does not seal. */
  const stepBack = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    waitingSince ??= now
    if (now - waitingSince >= longTurn) {
      waitingSince = now
      yield* Effect.logError(
        "Events wait to be sealed, and for minutes another session of the database holds the sealer's lock"
      )
    }
    return nothing
  })

  const turn = Effect.fnUntraced(function* (missing: ReadonlyArray<string>) {
    // What is committed between two statements has to be seen by the second, whatever the database's default.
    yield* sql`set transaction isolation level read committed`
    // Held until the transaction ends, however it ends: also where a pooler lends out the session.
    const [turn] = yield* Effect.flatMap(
      sql`
        select pg_try_advisory_xact_lock(${sealing}::bigint) as taken, iso(clock_timestamp()) as now,
          pg_postmaster_start_time()::text || ' ' || 'audit_events'::regclass::oid || ' '
            || (select oid from pg_database where datname = current_database()) as server`,
      decodeTurn
    )
    if (turn?.taken !== true) return yield* stepBack
    waitingSince = undefined
    yield* reach.settle(turn.server)
    const head = yield* trail.check
    const after = head?.horizon ?? 0n
    const which =
      missing.length > 0
        ? sql`
            e.position in (select value::bigint from jsonb_array_elements_text(${sql.json(missing)}))
            and not exists (select from audit_seals s where s.position = e.position)`
        : isUnsealed(sql, sql`${after.toString()}::bigint`)
    const limit = size
    const waiting = yield* Effect.flatMap(
      sql`
        select e.position, e.hash, case when e.hash is null then ${shownEvent(sql)} end as event
        from audit_events e
        where ${which}
        order by e.position
        limit ${limit}::integer`,
      decodeWaiting
    )
    const last = waiting.at(-1)
    if (last === undefined) return nothing
    const seals = chain(waiting, head)
    // Of a full batch it is known of its own events only that nothing before them is left.
    const nothingLeft =
      missing.length > 0
        ? after
        : waiting.length < limit
          ? reach.settled()
          : least(reach.settled(), last.position)
    yield* write(seals, {
      at: head !== undefined && head.at > turn.now ? head.at : turn.now,
      horizon: nothingLeft > after ? nothingLeft : after
    })
    yield* reach.observe
    const end = seals.at(-1) as Seal
    return {
      sealed: waiting.length,
      full: waiting.length === limit,
      end: { sequence: end.sequence, link: Buffer.from(end.link, "hex") }
    } satisfies Sealed as Sealed
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

  /** A batch that the database was too slow for is tried again smaller, and goes back to its size slowly. */
  const fit = <E>(exit: Exit.Exit<Sealed, E>) =>
    Effect.sync(() => {
      if (Exit.isFailure(exit)) size = Math.max(smallestBatch, Math.floor(size / 2))
      else if (exit.value.full) size = Math.min(batch, size + smallestBatch)
    })

  /**
   * Seals one batch and tells how many events it held: none where nothing waits, or where another instance
   * is at it.
   */
  const sealBatch: Effect.Effect<number, GatewayUnavailable | TrailRefused> = Effect.gen(function* () {
    const missing = yield* storage(sweep(size))
    const found =
      missing.length > 0
        ? missing
        : yield* storage(sql`select from audit_events e where ${isUnsealed(sql, horizon(sql))} limit 1`)
    full = false
    if (found.length === 0) {
      waitingSince = undefined
      return 0
    }
    const done = yield* storage(sql.withTransaction(turn(missing))).pipe(Effect.onExit(fit))
    full = done.full
    if (done.end !== undefined) trail.remember(done.end)
    if (missing.length > 0 && done.sealed > 0) {
      yield* Effect.logError(
        `${done.sealed} events stood behind what was sealed and had no seal. They are sealed now, later than they should have been (docs/AUDIT.md)`
      )
    }
    return done.sealed
  })

  return {
    batch: sealBatch,
    /** Seals until less than a whole batch is left. */
    all: Effect.repeat(sealBatch, { while: () => full }),
    /** Checks where the trail ends, and says it in the log. */
    anchor: Effect.flatMap(storage(trail.check), (head) =>
      head === undefined ? Effect.void : Effect.logInfo(anchorOf(head))
    )
  }
}

/** What one turn came to. */
interface Sealed {
  readonly sealed: number
  /** Whether more may be waiting. */
  readonly full: boolean
  readonly end: Place | undefined
}
const nothing: Sealed = { sealed: 0, full: false, end: undefined }

interface Seal {
  readonly sequence: number
  /** A decimal number: JSON has none that is as large as a bigint may be. */
  readonly position: string
  readonly hash: string
  readonly link: string
}

/** Numbers and links events, after the last that was sealed. */
const chain = (waiting: ReadonlyArray<typeof Waiting.Type>, head: Head | undefined): ReadonlyArray<Seal> => {
  let number = head?.sequence ?? 0
  let previous: Digest = head?.link ?? beginning
  return waiting.map(({ event, hash, position }) => {
    const digest = hash ?? sha256(canonicalJson(event))
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
    const sealer = makeSealer(sql, key)
    const failing = <A>(what: string, then: A) =>
      Effect.catchCause((cause: Cause.Cause<GatewayUnavailable | TrailRefused>) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
        // An outage was told where it was met.
        if (failure?._tag === "GatewayUnavailable") return Effect.succeed(then)
        return Effect.as(Effect.logError(failure?.message ?? what, ...(failure ? [] : [cause])), then)
      })
    // Calls have ended by then: what needs the database is released before it, the server first of all.
    yield* Effect.addFinalizer(() =>
      sealer.all.pipe(
        Effect.timeout(farewell),
        Effect.catchCause(() => Effect.void)
      )
    )
    yield* sealer.all.pipe(
      Effect.as(pause),
      failing("The audit trail could not be sealed", pauseAfterFailure),
      Effect.flatMap(Effect.sleep),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Effect.ignore(storage(publish(sql, key.verifying)))
    yield* Effect.logInfo(`The audit trail is signed with the key ${key.verifying.id}`)
    yield* sealer.anchor.pipe(
      failing("Where the audit trail ends could not be read", undefined),
      Effect.repeat(Schedule.spaced(anchoring)),
      Effect.forkScoped
    )
  })
)
