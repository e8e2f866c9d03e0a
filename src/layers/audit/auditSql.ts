import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment, Statement } from "effect/sql/Statement"
import { eventHash } from "../../domain/AuditChain.ts"
import type { AuditEvent } from "../../domain/AuditEvent.ts"

/** A JSON value as a parameter; SQL's null for none. */
export const jsonOrNull = (sql: PgClient, value: unknown): Fragment =>
  value == null ? sql`null::jsonb` : sql`${sql.json(value)}::jsonb`

/**
 * The insertion of one event, to stand alone or within another statement. `source` is the table that
 * decides whether it happens: one row, one event; no row, no event.
 */
export const insertEvent = (sql: PgClient, event: AuditEvent, source: Fragment): Statement<unknown> => sql`
  insert into audit_events (
    id, at, action, outcome, reason, agent_id, owner_user_id, token_id, project_id, issue_id,
    idempotency_key, arguments_sha256, request_id, via, count, client, change_sha256, duration_ms, hash
  )
  select
    ${event.id}::uuid, ${event.at}::timestamptz, ${event.action}::text, ${event.outcome}::text,
    ${event.reason}::text, ${event.agent_id}::uuid, ${event.owner_user_id}::text,
    ${event.token_id}::uuid, ${event.project_id}::uuid, ${event.issue_id}::uuid,
    ${event.idempotency_key}::text, ${event.arguments_sha256}::text, ${event.request_id}::text,
    ${event.via}::text, ${event.count}::integer,
    ${jsonOrNull(sql, event.client)}, ${event.change_sha256 ?? null}::text,
    ${event.duration_ms ?? null}::integer, ${eventHash(event)}::bytea
  ${source}
  on conflict (id) do nothing`

/** The columns of an event of the table `e`, for `shownEvent`. Building JSON of them in PostgreSQL takes ten times as long. */
export const eventColumns = (sql: PgClient): Fragment => sql`
  e.id, iso(e.at) as at, e.action, e.outcome, e.reason, e.agent_id, e.owner_user_id, e.token_id, e.project_id,
  e.issue_id, e.idempotency_key, e.arguments_sha256, e.request_id, e.via, e.count, e.client, e.change_sha256,
  e.duration_ms`

type Columns = Readonly<Record<string, unknown>>

/** An event as it is shown, and as its hash is over: members that came in later are left out if they are not known. */
export const shownEvent = (row: Columns): Columns => {
  const event: Record<string, unknown> = {
    id: row.id,
    at: row.at,
    action: row.action,
    outcome: row.outcome,
    reason: row.reason,
    agent_id: row.agent_id,
    owner_user_id: row.owner_user_id,
    token_id: row.token_id,
    project_id: row.project_id,
    issue_id: row.issue_id,
    idempotency_key: row.idempotency_key,
    arguments_sha256: row.arguments_sha256,
    request_id: row.request_id,
    via: row.via,
    count: row.count
  }
  if (row.client !== null) event.client = row.client
  if (row.change_sha256 !== null) event.change_sha256 = row.change_sha256
  if (row.duration_ms !== null) event.duration_ms = row.duration_ms
  return event
}

/**
 * The bytes of an event's texts, before they are written as JSON. `client || '{}'` is a copy that is not
 * compressed, so that its size is what it would be written from.
 */
export const bulkOf = (sql: PgClient): Fragment => sql`(
  coalesce(octet_length(e.reason), 0) + coalesce(octet_length(e.owner_user_id), 0)
  + coalesce(octet_length(e.idempotency_key), 0) + octet_length(e.request_id)
  + coalesce(pg_column_size(e.client || '{}'::jsonb), 0)
)`

/** The place up to which nothing is left to be sealed, as the last checkpoint says. */
export const horizon = (sql: PgClient): Fragment => sql`
  coalesce((select horizon from audit_checkpoints order by sequence desc limit 1), 0)`

/** A checkpoint of the table `c` (or another name of it) as it is shown, with the link of its seal in the table `s`. */
export const checkpointOf = (sql: PgClient, name = "c"): Fragment => {
  const c = (column: string) => sql.literal(`${name}.${column}`)
  return sql`(
    jsonb_build_object(
      'sequence', ${c("sequence")}, 'link', encode(s.link, 'hex'), 'at', iso(${c("at")}),
      'key_id', ${c("key_id")}, 'signature', encode(${c("signature")}, 'hex')
    )
    || case when ${c("format")} = 1 then '{}'
      else jsonb_build_object('format', ${c("format")}, 'previous', encode(${c("previous")}, 'hex')) end
  )`
}
