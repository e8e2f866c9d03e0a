import type { PgClient } from "@effect/sql-pg/PgClient"
import { Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import { Operation } from "../domain/Operation.ts"
import { Agent, StandingGrant, TokenInfo } from "../domain/Principal.ts"

/**
 * Who holds a token, what it is granted and what a key stands for, as one row: the part that
 * authenticating and reserving have in common, so that neither asks twice and both judge alike.
 */
export const CallerRow = Schema.Struct({
  agent: Agent,
  token: TokenInfo,
  revoked: Schema.Boolean,
  expired: Schema.Boolean,
  grants: Schema.Array(StandingGrant),
  operation: Schema.NullOr(Operation)
})
export type CallerRow = typeof CallerRow.Type

export const tokenJson = (sql: PgClient): Fragment => sql`
  json_build_object(
    'id', t.id, 'agent_id', t.agent_id, 'name', t.name, 'created_at', iso(t.created_at),
    'expires_at', iso(t.expires_at), 'revoked_at', iso(t.revoked_at)
  )`

export const agentJson = (sql: PgClient): Fragment => sql`
  json_build_object(
    'id', a.id, 'owner_user_id', a.owner_user_id, 'owner_email', a.owner_email,
    'display_name', a.display_name, 'status', a.status,
    'created_at', iso(a.created_at), 'updated_at', iso(a.updated_at)
  )`

/** The database's clock judges what has expired: the clocks of several instances need not agree. */
export const callerRow = (
  sql: PgClient,
  hash: Uint8Array,
  key: string | undefined
): Statement<unknown> => sql`
  select
    ${agentJson(sql)} as agent,
    ${tokenJson(sql)} as token,
    t.revoked_at is not null as revoked,
    coalesce(t.expires_at <= now(), false) as expired,
    coalesce((
      select json_agg(json_build_object(
        'id', g.id, 'agent_id', g.agent_id, 'workspace_slug', g.workspace_slug,
        'project_id', g.project_id, 'scopes', g.scopes, 'expires_at', iso(g.expires_at),
        'max_writes_per_day', g.max_writes_per_day, 'created_at', iso(g.created_at),
        'updated_at', iso(g.updated_at), 'revoked_at', null,
        'expired', coalesce(g.expires_at <= now(), false),
        'writes_today', coalesce((
          select w.writes from grant_writes w
          where w.grant_id = g.id and w.day = (now() at time zone 'UTC')::date
        ), 0)
      ) order by g.created_at, g.id)
      from grants g
      where g.agent_id = a.id and g.revoked_at is null
    ), '[]'::json) as grants,
    ${operationJson(sql, key)} as operation
  from tokens t
  join agents a on a.id = t.agent_id
  where t.hash = ${hash}`

const operationJson = (sql: PgClient, key: string | undefined): Fragment =>
  key === undefined
    ? sql`null::json`
    : sql`(
      select json_build_object(
        'id', k.id, 'agent_id', k.agent_id, 'key', k.key, 'tool', k.tool, 'project_id', k.project_id,
        'issue_id', k.issue_id, 'fingerprint', k.fingerprint, 'state', k.state, 'fence', k.fence,
        'lease_expired', coalesce(k.lease_until <= now(), false), 'answer', k.answer
      )
      from idempotency_keys k
      where k.agent_id = a.id and k.key = ${key}
    )`
