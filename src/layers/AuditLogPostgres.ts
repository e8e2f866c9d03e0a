import { PgClient } from "@effect/sql-pg/PgClient"
import { DateTime, Effect, Layer, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { type AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import { Uuid } from "../domain/Ids.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { insertEvent, shownEvent } from "./auditSql.ts"
import { positionOf, take } from "./page.ts"
import { repeatable, storage } from "./storage.ts"

/**
 * The trail in PostgreSQL. Calls wait for its methods, which therefore have no spans of their own: the
 * statements have theirs.
 */

/** Equal denials of one agent in one minute that are events of their own; the rest share one. */
const singleDenials = 60

const decodeTallies = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ denials: Schema.Int, last_event: AuditEvent }))
)

/** An event's place in the trail, as PostgreSQL counts: a bigint. */
const largest = 9_223_372_036_854_775_807n
const Position = Schema.String.check(
  Schema.makeFilter((text: string) => /^\d{1,19}$/.test(text) && BigInt(text) <= largest)
)
const positionIn = positionOf(Position)

const PageRow = Schema.Struct({ position: Schema.BigInt, item: AuditEvent })
const decodePage = Schema.decodeUnknownEffect(Schema.Array(PageRow))

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
     * Turns the tallies of minutes that are over into events, whichever instance comes first. An event's
     * hash is made here and not in PostgreSQL, so it takes more than a statement.
     */
    const close = sql.withTransaction(
      Effect.gen(function* () {
        const closed = yield* Effect.flatMap(
          sql`
            delete from denial_tallies where minute < date_trunc('minute', now())
            returning denials, last_event`,
          decodeTallies
        )
        for (const { denials, last_event } of closed) {
          if (denials <= singleDenials) continue
          const id = Uuid.make(yield* random.uuidV7())
          const event = { ...last_event, id, count: denials - singleDenials }
          yield* insertEvent(sql, event, sql`from (select 1) as always`)
        }
      })
    )

    const closeTallies = storage(
      Effect.gen(function* () {
        const over = yield* sql`select from denial_tallies where minute < date_trunc('minute', now()) limit 1`
        if (over.length > 0) yield* close
      })
    )

    const list = Effect.fnUntraced(function* (request: Parameters<AuditLog["Service"]["list"]>[0]) {
      const before = (yield* positionIn(request.cursor)) ?? largest.toString()
      const rows = yield* storage(
        sql`
          select e.position, ${shownEvent(sql)} as item
          from audit_events e
          where e.agent_id = ${request.agentId} and e.position < ${before}::bigint
          order by e.position desc
          limit ${request.limit + 1}::integer`.pipe(Effect.flatMap(decodePage))
      )
      return take(rows, request.limit, ({ position }) => position.toString())
    })

    yield* closeTallies.pipe(
      Effect.catchTag("GatewayUnavailable", () => Effect.void),
      Effect.repeat(Schedule.spaced("20 seconds")),
      Effect.forkScoped
    )

    return AuditLog.of({ record, stamp, append, list })
  })
)
