import { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, DateTime, Effect, Layer, Option, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { type AuditEntry, AuditEvent } from "../../domain/AuditEvent.ts"
import { Uuid } from "../../domain/Ids.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { take } from "../database/page.ts"
import { repeatable, storage } from "../database/storage.ts"
import { eventRows } from "./auditPage.ts"
import { insertEvent } from "./auditSql.ts"

/**
 * The trail in PostgreSQL. Calls wait for its methods, which therefore have no spans of their own: the
 * statements have theirs.
 */

/** Equal denials of one agent in one minute that are events of their own; the rest share one. */
const singleDenials = 60

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

export const layer = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom

    /** Ids sort by time, as far as the clocks of several instances agree. */
    const stamp = Effect.fnUntraced(function* (entry: AuditEntry): Effect.fn.Return<AuditEvent> {
      const id = Uuid.make(yield* random.uuidV7())
      return { ...entry, id, at: DateTime.formatIso(yield* DateTime.now), count: 1 }
    })

    const append = (event: AuditEvent) =>
      Effect.asVoid(storage(repeatable(insertEvent(sql, event, sql`from (select 1) as always`))))

    const record = Effect.fnUntraced(function* (entry: AuditEntry) {
      const event = yield* stamp(entry)
      if (entry.outcome !== "denied" || entry.agent_id === null) return yield* append(event)
      yield* storage(sql`
        with tally as (
          insert into denial_tallies (agent_id, action, reason, minute, denials, last_event)
          values (
            ${entry.agent_id}::uuid, ${entry.action}, ${entry.reason ?? ""},
            date_trunc('minute', now()), 1, ${sql.json(event)}
          )
          on conflict (agent_id, action, reason, minute) do update
            set denials = denial_tallies.denials + 1, last_event = excluded.last_event
          returning denials
        )
        ${insertEvent(sql, event, sql`from tally where denials <= ${singleDenials}::integer`)}`)
    })

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
        if (Option.isNone(event) && tally.denials > singleDenials) {
          yield* Effect.logError(
            `A tally of ${tally.denials} denials of the agent ${tally.agent_id} can't be read, so the trail holds the first ${singleDenials} alone`
          )
          continue
        }
        closed.push(tally)
        if (Option.isNone(event) || tally.denials <= singleDenials) continue
        const id = Uuid.make(yield* random.uuidV7())
        const rest = { ...event.value, id, count: tally.denials - singleDenials }
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

    const closeTallies = Effect.gen(function* () {
      const over = yield* storage(
        sql`select from denial_tallies where minute < date_trunc('minute', now()) limit 1`
      )
      if (over.length === 0) return
      let last: typeof Tally.Type | undefined
      do last = yield* storage(sql.withTransaction(close(last)))
      while (last !== undefined)
    })

    const list = (request: Parameters<AuditLog["Service"]["list"]>[0]) =>
      Effect.map(eventRows(sql, request), (rows) =>
        take(rows, request.limit, ({ position }) => position.toString())
      )

    yield* closeTallies.pipe(
      Effect.catchTag("GatewayUnavailable", () => Effect.void),
      // Whatever went wrong once, denials of later minutes are to become events.
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.logError("Denials of the last minutes could not be put together into events", cause)
      ),
      Effect.repeat(Schedule.spaced("20 seconds")),
      Effect.forkScoped
    )

    return AuditLog.of({ record, stamp, append, list })
  })
)
