import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { horizon } from "./auditSql.ts"

/** Positions that one look goes over, in some tens of milliseconds. */
const stretch = 20_000

/**
 * Common table expressions: `stretch`, the positions of the events after one position, up to another if one is
 * given, and `bounds`, between which they lie. It is bounded by position and not by a count of rows, so that no
 * plan reads more, not even one that is made of old statistics.
 */
export const stretchAfter = (sql: PgClient, after: bigint, upTo?: bigint): Fragment => {
  const within = upTo === undefined ? sql`` : sql`and position <= ${upTo.toString()}::bigint`
  return sql`
    bounds as materialized (
      select min(position) as least, min(position) + ${stretch - 1}::bigint as greatest
      from audit_events where position > ${after.toString()}::bigint
    ), stretch as materialized (
      select position from audit_events
      where position >= (select least from bounds) and position <= (select greatest from bounds) ${within}
    )`
}

/** True for a row of `stretch` that has no seal. Bounded too, so that no plan reads seals of elsewhere. */
export const hasNoSeal = (sql: PgClient): Fragment => sql`
  not exists (
    select from audit_seals s
    where s.position = stretch.position and s.position >= (select least from bounds)
      and s.position <= (select greatest from bounds)
  )`

const Look = Schema.Struct({
  /** Null if there is no event. */
  reached: Schema.NullOr(Schema.BigInt),
  missing: Schema.Array(Schema.String)
})
type Look = typeof Look.Type
const decodeLook = Schema.decodeUnknownEffect(Schema.Array(Look))
const decodePlace = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ position: Schema.BigInt })))

/**
 * Reads the events from one position (not included) to another, of a stretch at most: how far it came, and
 * the positions of up to `limit` events without a seal.
 */
export const look = (
  sql: PgClient,
  { after, limit, upTo }: { readonly after: bigint; readonly upTo?: bigint; readonly limit: number }
) =>
  Effect.map(
    Effect.flatMap(
      sql`
        with ${stretchAfter(sql, after, upTo)}
        select max(position) as reached, array(
          select position::text from stretch where ${hasNoSeal(sql)}
          order by stretch.position limit ${limit}::integer
        ) as missing
        from stretch`,
      decodeLook
    ),
    ([found]) => found ?? { reached: null, missing: [] }
  )

/**
 * Finds events that wait for their seal. Each look reads a stretch at most, so that it costs as much if a
 * transaction of somebody else stays open for days as if there is none.
 */
export const makeSearch = (sql: PgClient) => {
  /** Every event at or before it that could be seen when it was passed has its seal. */
  let front: bigint | undefined
  /** Events between the horizon and the front can be committed late. Their places are gone over, again and again. */
  let pass = { after: 0n, end: 0n }

  /** Looks once at what lies between the horizon and the front. */
  const late = Effect.fnUntraced(function* (from: bigint, to: bigint, limit: number) {
    if (pass.after >= pass.end || pass.end <= from) pass = { after: from, end: to }
    const after = pass.after > from ? pass.after : from
    const { missing, reached } = yield* look(sql, { after, upTo: pass.end, limit })
    // If something was missing, this stretch is looked at again.
    if (missing.length === 0) pass = { ...pass, after: reached ?? pass.end }
    return missing
  })

  return {
    /** Returns positions of up to `limit` events without a seal. */
    next: Effect.fnUntraced(function* (limit: number) {
      const [start] = yield* Effect.flatMap(sql`select ${horizon(sql)} as position`, decodePlace)
      const from = start?.position ?? 0n
      let at = front === undefined || front < from ? from : front
      const found = from < at ? yield* late(from, at, limit) : []
      while (found.length < limit) {
        const next: Look = yield* look(sql, { after: at, limit: limit - found.length })
        if (next.missing.length > 0) return [...found, ...next.missing]
        if (next.reached === null) break
        at = next.reached
        front = at
      }
      return found
    }),
    /** Forgets where it was: the database is another one. */
    restart: (): void => {
      front = undefined
      pass = { after: 0n, end: 0n }
    }
  }
}
