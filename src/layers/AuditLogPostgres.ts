import { PgClient } from "@effect/sql-pg/PgClient"
import { DateTime, Effect, Layer, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { type AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import { Uuid } from "../domain/Ids.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { insertEvent } from "./auditSql.ts"
import { positionOf, take } from "./page.ts"
import { repeatable, storage } from "./storage.ts"

/**
 * The trail in PostgreSQL. Calls wait for its methods, which therefore have no spans of their own: the
 * statements have theirs.
 */

/** Equal denials of one agent in one minute that are events of their own; the rest share one. */
const singleDenials = 60

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

    /** Turns the tallies of minutes that are over into events, whichever instance comes first. */
    const closeTallies = storage(sql`
      with closed as (
        delete from denial_tallies where minute < date_trunc('minute', now())
        returning denials, last_event
      )
      insert into audit_events (
        id, at, action, outcome, reason, agent_id, owner_user_id, token_id, project_id, issue_id,
        idempotency_key, arguments_sha256, request_id, via, count
      )
      select
        gen_random_uuid(), e.at, e.action, e.outcome, e.reason, e.agent_id, e.owner_user_id,
        e.token_id, e.project_id, e.issue_id, e.idempotency_key, e.arguments_sha256, e.request_id,
        e.via, closed.denials - ${singleDenials}::integer
      from closed, jsonb_populate_record(null::audit_events, closed.last_event) as e
      where closed.denials > ${singleDenials}::integer`)

    const list = Effect.fnUntraced(function* (request: Parameters<AuditLog["Service"]["list"]>[0]) {
      const before = (yield* positionIn(request.cursor)) ?? largest.toString()
      const rows = yield* storage(
        sql`
          select position, json_build_object(
            'id', id, 'at', iso(at), 'action', action, 'outcome', outcome, 'reason', reason,
            'agent_id', agent_id, 'owner_user_id', owner_user_id, 'token_id', token_id,
            'project_id', project_id, 'issue_id', issue_id, 'idempotency_key', idempotency_key,
            'arguments_sha256', arguments_sha256, 'request_id', request_id, 'via', via, 'count', count
          ) as item
          from audit_events
          where agent_id = ${request.agentId} and position < ${before}::bigint
          order by position desc
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
