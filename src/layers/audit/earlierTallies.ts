import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Option, Schema } from "effect"
import type { SecureRandom } from "effect/crypto"
import { AuditEvent } from "../../domain/AuditEvent.ts"
import { Uuid } from "../../domain/Ids.ts"
import { storage } from "../database/storage.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { insertEvent } from "./auditSql.ts"
import { singleEvents } from "./tallies.ts"

/** How many tallies one transaction closes: few enough to be done in time on a slow day. */
const closedAtOnce = 50

const Tally = Schema.Struct({
  agent_id: Schema.String,
  action: Schema.String,
  reason: Schema.String,
  minute: Schema.String,
  denials: Schema.Int,
  last_event: Schema.Unknown
})
const decodeTallies = Schema.decodeUnknownEffect(Schema.Array(Tally))
const asEvent = Schema.decodeUnknownOption(AuditEvent)

/**
 * Closes the tallies of `denial_tallies`, in which instances of earlier versions counted denials: they may run beside
 * this one, or have stopped before their last minute was over.
 */
export const closingEarlierTallies = (sql: PgClient, random: SecureRandom.SecureRandom["Service"]) => {
  /**
   * Turns the tallies of minutes that are over into events, whichever instance comes first, so many at a
   * time. An event's hash is made here and not in PostgreSQL, so it takes more than a statement. One that
   * can't be read is left as it is and said: it keeps none of the others waiting. Tells the last it saw.
   */
  const close = Effect.fnUntraced(function* (after: typeof Tally.Type | undefined) {
    const beyond =
      after === undefined
        ? sql``
        : sql`and (minute, agent_id, action, reason) > (
            ${after.minute}::timestamptz, ${after.agent_id}::uuid, ${after.action}, ${after.reason}
          )`
    const over = yield* Effect.flatMap(
      sql`
        select agent_id, action, reason, minute::text as minute, denials, last_event
        from denial_tallies where minute < date_trunc('minute', now()) ${beyond}
        order by denial_tallies.minute, agent_id, action, reason limit ${closedAtOnce}::integer
        for update skip locked`,
      decodeTallies
    )
    const closed: Array<unknown> = []
    for (const { last_event, ...tally } of over) {
      const event = asEvent(last_event)
      if (Option.isNone(event) && tally.denials > singleEvents) {
        yield* Effect.logError(
          `A tally of ${tally.denials} denials of the agent ${tally.agent_id} can't be read, so the trail holds the first ${singleEvents} alone`
        )
        continue
      }
      closed.push(tally)
      if (Option.isNone(event) || tally.denials <= singleEvents) continue
      const id = Uuid.make(yield* random.uuidV7())
      const rest = { ...event.value, id, count: tally.denials - singleEvents }
      yield* insertEvent(sql, rest, sql`from (select 1) as always`)
    }
    if (closed.length > 0) {
      yield* sql`
        delete from denial_tallies t
        using jsonb_to_recordset(${sql.json(closed)})
          as closed (agent_id uuid, action text, reason text, minute timestamptz)
        where (t.agent_id, t.action, t.reason, t.minute)
          = (closed.agent_id, closed.action, closed.reason, closed.minute)`
    }
    return over.length < closedAtOnce ? undefined : over.at(-1)
  })

  return Effect.gen(function* () {
    const over = yield* storage(
      sql`select from denial_tallies where minute < date_trunc('minute', now()) limit 1`
    )
    if (over.length === 0) return
    let last: typeof Tally.Type | undefined
    do last = yield* transaction(sql, close(last)).pipe(tellingLost("It is closed again if it was not."))
    while (last !== undefined)
  })
}
