import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Schema } from "effect"
import { look } from "./auditSearch.ts"
import { horizon } from "./auditSql.ts"

/** How long after a walk over the whole trail the next one begins. */
const rest = Duration.toMillis(Duration.hours(1))

const decodeHorizon = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ position: Schema.BigInt })))

/**
 * Looks for events without a seal where the sealer looks no more, stretch by stretch, once when a process
 * starts and then every hour. By itself no event comes there; but the horizon is a number in a table, which
 * nothing signs, and a wrong one would keep events out of the trail for good.
 */
export const makeSweep = (sql: PgClient) => {
  let after = 0n
  let due = 0

  /** Returns positions of up to `limit` such events in the next stretch; none while no walk is due. */
  return Effect.fnUntraced(function* (limit: number) {
    const now = yield* Clock.currentTimeMillis
    if (now < due) return []
    const [head] = yield* Effect.flatMap(sql`select ${horizon(sql)} as position`, decodeHorizon)
    const end = head?.position ?? 0n
    const { missing, reached } = yield* look(sql, { after, upTo: end, limit })
    // If something was missing, the same stretch is looked at again, until nothing is.
    if (missing.length > 0) return missing
    if (reached === null || reached >= end) {
      after = 0n
      due = now + rest
    } else {
      after = reached
    }
    return []
  })
}
