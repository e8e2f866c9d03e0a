import { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { noCheckpoint } from "../../domain/AuditChain.ts"
import type { GatewayUnavailable } from "../../domain/Failure.ts"
import { type SigningKey, signCheckpoint, type VerifyingKey } from "../../domain/SigningKey.ts"
import { storage } from "../database/storage.ts"
import { anchorOf, makeHead, type Place, type TrailRefused } from "./auditHead.ts"
import { makeHorizon } from "./auditHorizon.ts"
import { chain, type Seal, waitingAt } from "./auditSealing.ts"
import { makeSearch } from "./auditSearch.ts"
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

const decodeTurn = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ now: Schema.String, server: Schema.String }))
)

/** Makes a key's public half known to whoever verifies. */
const publish = (sql: PgClient, { id, text }: VerifyingKey) => sql`
  insert into audit_keys (key_id, public_key) values (${id}, ${text}) on conflict do nothing`

/** One instance's sealer. Remembers what it has sealed or seen, and seals nothing on top of another trail. */
export const makeSealer = (sql: PgClient, key: SigningKey) => {
  const reach = makeHorizon(sql)
  const trail = makeHead(sql, key)
  const sweep = makeSweep(sql)
  const search = makeSearch(sql)
  let size = batch
  let full = false
  let waitingSince: number | undefined

  /** Another instance seals. Logs an error if events have waited for it for two minutes. */
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

  const turn = Effect.fnUntraced(function* (positions: ReadonlyArray<string>) {
    // What is committed between two statements has to be seen by the second, whatever the database's default.
    yield* sql`set transaction isolation level read committed`
    // Held until the transaction ends, however it ends: also if a pooler lends out the session.
    const [turn] = yield* Effect.flatMap(
      sql`
        select iso(clock_timestamp()) as now,
          pg_postmaster_start_time()::text || ' ' || 'audit_events'::regclass::oid || ' '
            || (select oid from pg_database where datname = current_database()) as server
        from audit_sealing for update skip locked`,
      decodeTurn
    )
    if (turn === undefined) return yield* stepBack
    waitingSince = undefined
    if (yield* reach.settle(turn.server)) search.restart()
    const head = yield* trail.check
    const waiting = yield* waitingAt(sql, positions)
    if (waiting.length === 0) return nothing
    const seals = chain(waiting, head)
    yield* write(seals, {
      at: head !== undefined && head.at > turn.now ? head.at : turn.now,
      previous: head?.digest ?? noCheckpoint,
      horizon: yield* reach.sealedUpTo(head?.horizon ?? 0n, seals)
    })
    yield* reach.observe
    const end = seals.at(-1) as Seal
    return {
      seals,
      end: { sequence: end.sequence, link: Buffer.from(end.link, "hex") }
    } satisfies Sealed as Sealed
  })

  const write = Effect.fnUntraced(function* (
    seals: ReadonlyArray<Seal>,
    { horizon, ...checkpoint }: { readonly at: string; readonly previous: string; readonly horizon: bigint }
  ) {
    const { sequence, link } = seals.at(-1) as Seal
    const { at, format, key_id, previous, signature } = signCheckpoint(key, { sequence, link, ...checkpoint })
    yield* publish(sql, key.verifying)
    yield* sql`
      with sealed as (
        insert into audit_seals (sequence, position, event_hash, link, stored_hash, oversize)
        select sequence, position, decode(hash, 'hex'), decode(link, 'hex'), decode(stored_hash, 'hex'), oversize
        from jsonb_to_recordset(${sql.json(seals)}) as seal (
          sequence bigint, position bigint, hash text, link text, stored_hash text, oversize boolean
        )
      )
      insert into audit_checkpoints (sequence, at, format, previous, key_id, signature, horizon)
      values (
        ${sequence}::bigint, ${at}::timestamptz, ${format}::integer, decode(${previous}, 'hex'), ${key_id},
        decode(${signature}, 'hex'), ${horizon.toString()}::bigint
      )`
  })

  /** Halves the batch if the database was too slow for it, and lets it grow again slowly. */
  const fit = <E>(exit: Exit.Exit<Sealed, E>) =>
    Effect.sync(() => {
      if (Exit.isFailure(exit)) size = Math.max(smallestBatch, Math.floor(size / 2))
      else if (exit.value.seals.length === size) size = Math.min(batch, size + smallestBatch)
    })

  /** Seals one batch and returns how many events it held: none if none waits, or if another instance seals. */
  const sealBatch: Effect.Effect<number, GatewayUnavailable | TrailRefused> = Effect.gen(function* () {
    full = false
    const missed = yield* storage(sweep(size))
    const positions = missed.length > 0 ? missed : yield* storage(search.next(size))
    if (positions.length === 0) {
      waitingSince = undefined
      return 0
    }
    const whole = positions.length === size
    const { end, seals } = yield* storage(sql.withTransaction(turn(positions))).pipe(Effect.onExit(fit))
    if (end === undefined) return 0
    full = whole
    trail.remember(end)
    yield* tellOf(seals)
    if (missed.length > 0) {
      yield* Effect.logError(`Sealed ${seals.length} events that earlier batches had missed (docs/AUDIT.md)`)
    }
    return seals.length
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

/** As many places as one line of the log names. */
const mostNamed = 10

/** Logs events that the gateway did not write as they are. */
const tellOf = Effect.fnUntraced(function* (seals: ReadonlyArray<Seal>) {
  const said = [
    [
      "were altered at insertion: the hash that they were inserted with is not theirs",
      seals.filter(({ stored_hash }) => stored_hash !== null)
    ],
    ["are too large to be exported", seals.filter(({ oversize }) => oversize)]
  ] as const
  for (const [what, found] of said) {
    if (found.length === 0) continue
    const places = found
      .slice(0, mostNamed)
      .map(({ position, sequence }) => `${position} (sequence ${sequence})`)
    yield* Effect.logError(
      `Sealed ${found.length} audit events that ${what}, at position ${places.join(", ")}${found.length > mostNamed ? ", …" : ""}. No gateway writes such events: the database's credentials may have leaked (docs/AUDIT.md)`
    )
  }
})

/** What one turn came to. */
interface Sealed {
  readonly seals: ReadonlyArray<Seal>
  readonly end: Place | undefined
}
const nothing: Sealed = { seals: [], end: undefined }

/** Seals for as long as the gateway runs, and at its end whatever is left. Needs nobody and is needed by nobody. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* PgClient
    const { auditSigningKey } = yield* Settings
    if (Option.isNone(auditSigningKey)) {
      return yield* Effect.logWarning("AUDIT_SIGNING_KEY is not set: the audit trail is not sealed")
    }
    const key = auditSigningKey.value
    const lacks = yield* storage(
      sql`select where not (has_table_privilege('audit_seals', 'insert') and has_table_privilege('audit_sealing', 'update'))`
    ).pipe(Effect.orElseSucceed(() => []))
    if (lacks.length > 0) {
      return yield* Effect.logError(
        "This gateway does not seal the audit trail: the user of DATABASE_URL may not. Set SEALER_DATABASE_URL (docs/AUDIT.md)"
      )
    }
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
