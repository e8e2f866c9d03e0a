import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment, Statement } from "effect/sql/Statement"
import type { AuditEvent } from "../../domain/AuditEvent.ts"
import type { Change } from "../../domain/Change.ts"
import type { Issue } from "../../domain/Issue.ts"
import { jsonOrNull } from "./auditSql.ts"

/**
 * Keeps the change of an event, within the statement that writes the event or beside it. `source` decides
 * whether it happens, as for the event; `card` is what it is known as from then on, where the answer says it.
 */
export const insertChange = (
  sql: PgClient,
  event: AuditEvent,
  change: Change,
  card: Pick<Issue, "identifier" | "name"> | undefined,
  source: Fragment
): Statement<unknown> => sql`
  insert into changes (event_id, agent_id, issue_id, identifier, name, before, after)
  select
    ${event.id}::uuid, ${event.agent_id}::uuid, ${event.issue_id}::uuid, ${card?.identifier ?? null}::text,
    ${card?.name ?? null}::text, ${jsonOrNull(sql, change.before)}, ${sql.json(change.after)}::jsonb
  ${source}
  on conflict (event_id) do nothing`
