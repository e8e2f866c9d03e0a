import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment } from "effect/sql/Statement"

/** A code of the table `p` is good: nothing has become of it yet, and its time is not over. */
export const isPending = (sql: PgClient): Fragment => sql`
  (p.used_at is null and p.cancelled_at is null and p.locked_at is null and p.expires_at > now())`

/** What has become of a code of the table `p`. */
export const statusOf = (sql: PgClient): Fragment => sql`
  case
    when p.used_at is not null then 'used'
    when p.cancelled_at is not null then 'cancelled'
    when p.locked_at is not null then 'locked'
    when p.expires_at <= now() then 'expired'
    else 'pending'
  end`

/** A code of the table `p` as it is shown. */
export const pairingJson = (sql: PgClient): Fragment => sql`
  json_build_object(
    'id', p.id, 'agent_id', p.agent_id, 'name', p.name, 'status', ${statusOf(sql)},
    'created_at', iso(p.created_at), 'expires_at', iso(p.expires_at),
    'used', case when p.used_at is not null then json_build_object(
      'at', iso(p.used_at), 'client_name', p.used_by, 'address', p.used_from, 'token_id', p.token_id
    ) end,
    'refused_after_use', json_build_object('count', p.refused_after_use, 'last_at', iso(p.last_refused_at))
  )`
