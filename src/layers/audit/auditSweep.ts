import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Schema } from "effect"
import { horizon } from "./auditSql.ts"

/** How many events one look goes over, in some tens of milliseconds. */
const stretch = 20_000

/** How long after a walk over the whole trail the next one begins. */
const rest = Duration.toMillis(Duration.hours(1))

const decodeReached = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ reached: Schema.BigInt })))
const decodeMissing = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ position: Schema.BigInt })))

/**
 * Looks for events without a seal where the sealer looks no more, stretch by stretch, once when a process
 * starts and then every hour. By itself no event comes there; but the horizon is a number in a table, which
 * nothing signs, and who wrote a wrong one would else keep events out of the trail for good.
 */
export const makeSweep = (sql: PgClient) => {
  let after = 0n
  let due = 0

  /** Positions of up to `limit` such events, in the next stretch; none while no walk is due. */
  return Effect.fnUntraced(function* (limit: number) {
    const now = yield* Clock.currentTimeMillis
    if (now < due) return []
    const [end] = yield* Effect.flatMap(
      sql`
        select coalesce(
          (
            select position from audit_events
            where position > ${after.toString()}::bigint and position <= horizon
            order by position offset ${stretch - 1}::integer limit 1
          ),
          horizon
        ) as reached
        from (select ${horizon(sql)} as horizon) as head`,
      decodeReached
    )
    const reached = end?.reached ?? 0n
    const bounds = (position: string) => sql`
      ${sql.literal(position)} > ${after.toString()}::bigint
      and ${sql.literal(position)} <= ${reached.toString()}::bigint`
    const missing = yield* Effect.flatMap(
      sql`
        select e.position from audit_events e
        where ${bounds("e.position")} and not exists (
          select from audit_seals s where s.position = e.position and ${bounds("s.position")}
        )
        order by e.position limit ${limit}::integer`,
      decodeMissing
    )
    // Where something was missing the same stretch is looked at again, until nothing is.
    if (missing.length > 0) return missing.map(({ position }) => position.toString())
    const [more] = yield* Effect.flatMap(sql`select ${horizon(sql)} as reached`, decodeReached)
    if (reached < (more?.reached ?? 0n)) {
      after = reached
    } else {
      after = 0n
      due = now + rest
    }
    return []
  })
}
