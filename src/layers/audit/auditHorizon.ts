import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import { hasNoSeal, stretchAfter } from "./auditSearch.ts"

const decodeWriters = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ transaction: Schema.String })))

const decodePlace = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ position: Schema.NullOr(Schema.BigInt) }))
)

/**
 * Up to which position in `audit_events` nothing can come any more, so that the sealer need not look there
 * again. A gap in the positions is either an event that is still to be committed or none that will ever
 * be, and only the end of the transaction that took it tells.
 *
 * A transaction that writes an event locks the table (ROW EXCLUSIVE) before it is given a position, and
 * gives the lock up after its event can be seen (PostgreSQL, Explicit Locking; the same is what CREATE
 * INDEX CONCURRENTLY waits by). So a position is noted together with the transactions that hold the lock
 * after it was seen; once they have all ended, whatever comes at or before it is there.
 *
 * Ids of transactions (`pg_snapshot_xmin`) would not do: a transaction has none yet when it takes its
 * position, one in any other database of the server would hold all up, and they mean nothing any more
 * in a copy that was restored from a dump.
 */
export const makeHorizon = (sql: PgClient) => {
  let settled = 0n
  let observed: { readonly position: bigint; readonly writers: ReadonlySet<string> } | undefined
  let server = ""

  const writers = Effect.map(
    Effect.flatMap(
      sql`
        select virtualtransaction as transaction from pg_locks
        where locktype = 'relation' and relation = 'audit_events'::regclass and mode = 'RowExclusiveLock'
          and database = (select oid from pg_database where datname = current_database())`,
      decodeWriters
    ),
    (rows): ReadonlySet<string> => new Set(rows.map(({ transaction }) => transaction))
  )

  return {
    /**
     * Looks whether what was observed has settled. To be asked before the events that it is about are read.
     * Returns true if the server is another one than before: a standby that took over, say, may have other
     * events at the same positions.
     */
    settle: Effect.fnUntraced(function* (from: string) {
      const isOther = server !== "" && from !== server
      if (from !== server) [server, settled, observed] = [from, 0n, undefined]
      if (observed === undefined) return isOther
      const now = yield* writers
      if ([...observed.writers].some((writer) => now.has(writer))) return isOther
      settled = observed.position
      observed = undefined
      return isOther
    }),
    /**
     * Returns the position up to which every event is sealed once these seals are, from a horizon on. Goes on
     * by a stretch at most: if a transaction held it back for long, it catches up batch by batch.
     */
    sealedUpTo: Effect.fnUntraced(function* (
      after: bigint,
      seals: ReadonlyArray<{ readonly position: string }>
    ) {
      if (settled <= after) return after
      const batch = sql.json(seals.map(({ position }) => position))
      const [place] = yield* Effect.flatMap(
        sql`
          with ${stretchAfter(sql, after, settled)}, unsealed as (
            select min(position) as position from stretch
            where position not in (select value::bigint from jsonb_array_elements_text(${batch}))
              and ${hasNoSeal(sql)}
          )
          select max(s.position) as position from stretch s, unsealed u
          where u.position is null or s.position < u.position`,
        decodePlace
      )
      return place?.position ?? after
    }),
    observe: Effect.gen(function* () {
      if (observed !== undefined) return
      const [place] = yield* Effect.flatMap(
        sql`select max(position) as position from audit_events`,
        decodePlace
      )
      observed = { position: place?.position ?? 0n, writers: yield* writers }
    })
  }
}
