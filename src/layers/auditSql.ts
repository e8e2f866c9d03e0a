import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment, Statement } from "effect/sql/Statement"
import type { AuditEvent } from "../domain/AuditEvent.ts"

/**
 * The insertion of one event, to stand alone or within another statement. `source` is the table that
 * decides whether it happens: one row, one event; no row, no event.
 */
export const insertEvent = (sql: PgClient, event: AuditEvent, source: Fragment): Statement<unknown> => sql`
  insert into audit_events (
    id, at, action, outcome, reason, agent_id, owner_user_id, token_id, project_id, issue_id,
    idempotency_key, arguments_sha256, request_id, via, count
  )
  select
    ${event.id}::uuid, ${event.at}::timestamptz, ${event.action}::text, ${event.outcome}::text,
    ${event.reason}::text, ${event.agent_id}::uuid, ${event.owner_user_id}::text,
    ${event.token_id}::uuid, ${event.project_id}::uuid, ${event.issue_id}::uuid,
    ${event.idempotency_key}::text, ${event.arguments_sha256}::text, ${event.request_id}::text,
    ${event.via}::text, ${event.count}::integer
  ${source}
  on conflict (id) do nothing`
