import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import { horizon } from "./auditSql.ts"

/** Events that one look goes over, in some tens of milliseconds. */
export const stretch = 20_000

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
        with stretch as materialized (
          select position from audit_events
          where position > ${after.toString()}::bigint
            ${upTo === undefined ? sql`` : sql`and position <= ${upTo.toString()}::bigint`}
          order by position limit ${stretch}::integer
        )
        select max(position) as reached, array(
          select position::text from stretch
          -- Bounded on both sides, so that no plan reads seals of elsewhere.
          where not exists (
            select from audit_seals s
            where s.position = stretch.position and s.position > ${after.toString()}::bigint
              and s.position <= (select max(position) from stretch)
          )
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
