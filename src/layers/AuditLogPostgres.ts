import { PgClient } from "@effect/sql-pg/PgClient"
import { DateTime, Effect, Layer, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { type AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import { InputInvalid } from "../domain/Failure.ts"
import { Uuid } from "../domain/Ids.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { insertEvent } from "./auditSql.ts"
import { storage } from "./storage.ts"

/** Equal denials of one agent in one minute that are events of their own; the rest share one. */
const singleDenials = 60

/** An entry with its id and time. Ids sort by time, as far as the clocks of several instances agree. */
export const stamped = Effect.fnUntraced(function* (
  random: SecureRandom.SecureRandom["Service"],
  entry: AuditEntry
): Effect.fn.Return<AuditEvent> {
  const id = yield* random.uuidV7()
  const now = yield* DateTime.now
  return { ...entry, id: Uuid.make(id), at: DateTime.formatIso(now), count: 1 }
})

const PageRow = Schema.Struct({ position: Schema.BigInt, event: AuditEvent })
const decodePage = Schema.decodeUnknownEffect(Schema.Array(PageRow))

export const layer = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom

    const record = Effect.fnUntraced(function* (entry: AuditEntry) {
      const event = yield* stamped(random, entry)
      if (entry.outcome !== "denied" || entry.agent_id === null) {
        yield* storage(insertEvent(sql, event, sql`from (select 1) as always`))
        return
      }
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
      const before = yield* positionOf(request.cursor)
      const rows = yield* storage(
        sql`
          select position, json_build_object(
            'id', id, 'at', iso(at), 'action', action, 'outcome', outcome, 'reason', reason,
            'agent_id', agent_id, 'owner_user_id', owner_user_id, 'token_id', token_id,
            'project_id', project_id, 'issue_id', issue_id, 'idempotency_key', idempotency_key,
            'arguments_sha256', arguments_sha256, 'request_id', request_id, 'via', via, 'count', count
          ) as event
          from audit_events
          where agent_id = ${request.agentId} and position < ${before}::bigint
          order by position desc
          limit ${request.limit + 1}::integer`.pipe(Effect.flatMap(decodePage))
      )
      const page = rows.slice(0, request.limit)
      const last = page.at(-1)
      return {
        events: page.map((row) => row.event),
        next_cursor: rows.length > request.limit && last !== undefined ? cursorOf(last.position) : null
      }
    })

    yield* closeTallies.pipe(
      Effect.catchTag("GatewayUnavailable", () => Effect.void),
      Effect.repeat(Schedule.spaced("20 seconds")),
      Effect.forkScoped
    )

    return AuditLog.of({ record, list })
  })
)

const largest = 9_223_372_036_854_775_807n

const cursorOf = (position: bigint): string => Buffer.from(position.toString()).toString("base64url")

const positionOf = (cursor: string | undefined): Effect.Effect<string, InputInvalid> => {
  if (cursor === undefined) return Effect.succeed(largest.toString())
  const text = Buffer.from(cursor, "base64url").toString()
  return /^\d{1,19}$/.test(text) && BigInt(text) <= largest
    ? Effect.succeed(text)
    : Effect.fail(
        new InputInvalid({
          reason: "invalid",
          message: "cursor: not one that this list gave; leave it out to start with the newest",
          details: { errors: [{ path: "cursor", message: "Expected a next_cursor of this list" }] }
        })
      )
}
