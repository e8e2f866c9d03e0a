import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schedule, Schema, Stream } from "effect"
import { beginning, Checkpoint } from "../../domain/AuditChain.ts"
import { asHex, writeEventLine, writeLine } from "../../domain/AuditExport.ts"
import { InputInvalid } from "../../domain/Failure.ts"
import { AuditProof, mostCounted, type Part, PublishedKey } from "../../services/AuditProof.ts"
import { storage } from "../database/storage.ts"
import { checkpointOf, eventColumns, horizon, shownEvent } from "./auditSql.ts"

/** How many events an export reads at once. */
const batch = 500

const rowsOf = <S extends Schema.Constraint>(row: S) => Schema.decodeUnknownEffect(Schema.Array(row))
const decodeKeys = rowsOf(PublishedKey)
const decodeCheckpoints = rowsOf(Schema.Struct({ checkpoint: Checkpoint }))
const decodeCount = rowsOf(Schema.Struct({ events: Schema.Int }))
const decodeTransactions = rowsOf(Schema.Struct({ transaction: Schema.String }))
const decodeUnsealed = rowsOf(Schema.Struct({ events: Schema.Int, oldest: Schema.Number }))

/** Where a part begins and ends, as sequence numbers, and the link before it. */
const Bounds = Schema.Struct({
  first: Schema.Int,
  last: Schema.Int,
  previous: Schema.NullOr(Schema.Uint8Array)
})
const decodeBounds = rowsOf(Bounds)

const Sealed = Schema.Struct({
  sequence: Schema.Int,
  hash: Schema.Uint8Array,
  link: Schema.Uint8Array,
  stored_hash: Schema.NullOr(Schema.Uint8Array),
  position: Schema.Int,
  oversize: Schema.Boolean,
  /** Null if the event is gone or too large. */
  id: Schema.NullOr(Schema.String),
  /** Of an event that is too large, as it stands now; null if it is gone. */
  digest: Schema.NullOr(Schema.Uint8Array)
})
// The event as it stands now, even if it was changed.
const SealedRow = Schema.StructWithRest(Sealed, [Schema.Record(Schema.String, Schema.Unknown)])
const decodeSealed = rowsOf(SealedRow)

const notYet = (to: string) =>
  new InputInvalid({
    reason: "invalid",
    message: `to: ${to} is still to come by the clock of the database. A part of the trail ends at an instant that is over: ask again then, or leave it out.`
  })

/** The line of a sealed event. What was changed since is written as it is now, for the verifier to find out. */
const lineOf = (row: typeof SealedRow.Type): string => {
  const { digest, hash, link, oversize, position, sequence, stored_hash } = row
  if (oversize) {
    const now = asHex(digest ?? beginning)
    return writeLine({ type: "event", oversize: true, position, sequence, hash: now, link: asHex(link) })
  }
  const line = { hash, link, sequence, storedHash: stored_hash ?? undefined }
  try {
    return writeEventLine({ ...line, event: row.id === null ? null : shownEvent(row) })
  } catch {
    // It was changed to what no JSON can hold.
    return writeEventLine({ ...line, event: null })
  }
}

/** Reads what proves the trail. It asks for what the restricted role may, and changes nothing. */
export const make = (sql: PgClient): AuditProof["Service"] => {
  const latest = storage(
    sql`
      select ${checkpointOf(sql)} as checkpoint
      from audit_checkpoints c join audit_seals s using (sequence)
      order by c.sequence desc limit 1`.pipe(
      Effect.flatMap(decodeCheckpoints),
      Effect.map(([newest]) => Option.fromUndefinedOr(newest?.checkpoint))
    )
  )

  const keys = storage(
    sql`
      select key_id, public_key, iso(created_at) as created_at
      from audit_keys order by audit_keys.created_at, key_id`.pipe(Effect.flatMap(decodeKeys))
  )

  /** Reads the first and the last events after the horizon, not those in between, however many they are. */
  const unsealed = storage(
    sql`
      with first as (
        select position, at from audit_events where position > ${horizon(sql)}
        order by position limit ${mostCounted}::integer
      ), last as (
        select position, at from audit_events where position > ${horizon(sql)}
        order by position desc limit ${mostCounted}::integer
      )
      select least(count(*), ${mostCounted})::integer as events,
        -- Of a time that is no number of seconds ago nothing can be told.
        coalesce(greatest(extract(epoch from now() - min(at) filter (where isfinite(at))), 0), 0)::float8 as oldest
      from (select * from first union select * from last) as e
      where not exists (select from audit_seals s where s.position = e.position)`.pipe(
      Effect.flatMap(decodeUnsealed),
      Effect.map(([found]) => ({
        events: found?.events ?? 0,
        oldestSeconds: Math.round((found?.oldest ?? 0) * 1000) / 1000
      }))
    )
  )

  /**
   * A part begins after the last checkpoint before `from` and ends with the last one before `to`: parts
   * that meet in time meet in the trail. Of nothing, `first` is one more than `last`.
   */
  const bounds = (part: Part) =>
    sql`
        with ends as (
          select
            coalesce((
              select sequence from audit_checkpoints where at < ${part.from ?? "-infinity"}::timestamptz
              order by at desc, sequence desc limit 1
            ), 0) as before,
            coalesce((
              select sequence from audit_checkpoints where at < ${part.to ?? "infinity"}::timestamptz
              order by at desc, sequence desc limit 1
            ), 0) as last
        )
        select before::float8 + 1 as first, greatest(last, before)::float8 as last,
          (select link from audit_seals where sequence = before) as previous
        from ends`.pipe(Effect.flatMap(decodeBounds))

  /** The transactions that seal just now: each holds this lock on the table from before it takes the time. */
  const sealers = Effect.map(
    Effect.flatMap(
      sql`
        select virtualtransaction as transaction from pg_locks
        where locktype = 'relation' and relation = 'audit_sealing'::regclass and mode = 'RowShareLock' and granted
          and database = (select oid from pg_database where datname = current_database())`,
      decodeTransactions
    ),
    (rows): ReadonlySet<string> => new Set(rows.map(({ transaction }) => transaction))
  )

  /** Waits until the batches that are being sealed have been committed, or given up. */
  const batchesEnded = Effect.gen(function* () {
    const begun = yield* sealers
    if (begun.size === 0) return
    yield* Effect.repeat(sealers, {
      until: (now) => [...begun].every((transaction) => !now.has(transaction)),
      schedule: Schedule.spaced("20 millis")
    })
  })

  /**
   * Bounds of a part that ends at an instant, once every batch of before it is there: a batch is dated when
   * its transaction begins. What comes after this may be dated no earlier than now, so `to` may not be later.
   */
  const boundsTo = Effect.fnUntraced(function* (part: Part & { readonly to: string }) {
    const passed = yield* storage(
      sql`select where ${part.to}::timestamptz <= date_trunc('milliseconds', clock_timestamp())`
    )
    if (passed.length === 0) return yield* notYet(part.to)
    yield* storage(batchesEnded)
    return yield* storage(bounds(part))
  })

  const signers = (first: number, last: number) =>
    storage(
      sql`
        select key_id, public_key, iso(created_at) as created_at from audit_keys k
        where exists (
          select from audit_checkpoints c
          where c.key_id = k.key_id and c.sequence between ${first}::bigint and ${last}::bigint
        )
        order by k.created_at, key_id`.pipe(Effect.flatMap(decodeKeys))
    )

  const sealedFrom = (first: number, last: number) =>
    storage(
      sql`
        select s.sequence::float8 as sequence, s.event_hash as hash, s.link, s.stored_hash,
          s.position::float8 as position, s.oversize,
          case when s.oversize then (
            select audit_event_digest(d) from audit_events d where d.position = s.position
          ) end as digest,
          ${eventColumns(sql)}
        from audit_seals s left join audit_events e on e.position = s.position and not s.oversize
        where s.sequence between ${first}::bigint and ${last}::bigint
        order by s.sequence limit ${batch}::integer`.pipe(Effect.flatMap(decodeSealed))
    )

  const checkpointsIn = (first: number, last: number) =>
    storage(
      sql`
        select ${checkpointOf(sql)} as checkpoint
        from audit_checkpoints c join audit_seals s using (sequence)
        where c.sequence between ${first}::bigint and ${last}::bigint
        order by c.sequence`.pipe(
        Effect.flatMap(decodeCheckpoints),
        Effect.map((rows) => rows.map(({ checkpoint }) => checkpoint))
      )
    )

  /** The lines of one batch: each checkpoint right after the event that it reaches to. */
  const linesFrom = Effect.fnUntraced(function* (first: number, last: number) {
    const sealed = yield* sealedFrom(first, last)
    // A gap at the end of the batch would else never be passed.
    const upTo = sealed.length < batch ? last : (sealed.at(-1)?.sequence ?? last)
    const checkpoints = yield* checkpointsIn(first, upTo)
    const lines: Array<string> = []
    let next = 0
    const signUpTo = (sequence: number) => {
      for (
        let one = checkpoints[next];
        one !== undefined && one.sequence <= sequence;
        one = checkpoints[++next]
      ) {
        lines.push(writeLine({ type: "checkpoint", ...one }))
      }
    }
    for (const row of sealed) {
      lines.push(lineOf(row))
      signUpTo(row.sequence)
    }
    signUpTo(upTo)
    return { lines, upTo, events: sealed.length, checkpoints: checkpoints.length }
  })

  const exported = Effect.fnUntraced(function* (part: Part) {
    const [{ first, last, previous } = { first: 1, last: 0, previous: null }] = yield* part.to === undefined
      ? storage(bounds(part))
      : boundsTo({ ...part, to: part.to })
    const head = [
      writeLine({
        type: "trail",
        format: "nodedc-audit/2",
        first,
        last,
        previous: asHex(previous ?? beginning)
      }),
      ...(yield* signers(first, last)).map(({ key_id, public_key }) =>
        writeLine({ type: "key", key_id, public_key })
      )
    ]
    const start = { next: first, events: 0, checkpoints: 0 }
    const body = Stream.paginate(start, ({ checkpoints, events, next }) => {
      return next > last
        ? Effect.succeed([
            [writeLine({ type: "end", events, checkpoints })],
            Option.none<typeof start>()
          ] as const)
        : Effect.map(linesFrom(next, last), (found) => {
            const then = {
              next: found.upTo + 1,
              events: events + found.events,
              checkpoints: checkpoints + found.checkpoints
            }
            return [[found.lines.join("")], Option.some(then)] as const
          })
    })
    return Stream.concat(Stream.succeed(head.join("")), body)
  })

  return AuditProof.of({ latest, keys, unsealed, export: exported })
}

/**
 * How many events stand where the sealer looks no more and have no seal. None come there by themselves:
 * they were put in, or their seals taken out. Reads the whole trail, so it is none of what calls ask for.
 */
export const countUnsealedBehind = (sql: PgClient) =>
  sql`
    select count(*)::integer as events from audit_events e
    where e.position <= ${horizon(sql)}
      and not exists (select from audit_seals s where s.position = e.position)`.pipe(
    Effect.flatMap(decodeCount),
    Effect.map(([found]) => found?.events ?? 0)
  )

/** How many seals come after the last checkpoint: none is signed, and no export has them. */
export const countUnsigned = (sql: PgClient) =>
  sql`
    select count(*)::integer as events from audit_seals
    where sequence > coalesce((select max(sequence) from audit_checkpoints), 0)`.pipe(
    Effect.flatMap(decodeCount),
    Effect.map(([found]) => found?.events ?? 0)
  )

export const layer = Layer.effect(AuditProof, Effect.map(PgClient, make))
