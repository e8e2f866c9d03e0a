import type { PgClient } from "@effect/sql-pg/PgClient"
import { Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import { Operation } from "../domain/Operation.ts"
import { Agent, StandingGrant, TokenInfo } from "../domain/Principal.ts"
import { agentJson, standingGrantJson, tokenJson } from "./principalJson.ts"

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
      select json_agg(${standingGrantJson(sql)} order by g.created_at, g.id)
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
