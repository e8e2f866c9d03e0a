import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import type { Settings } from "../../Config.ts"
import { Operation } from "../../domain/Operation.ts"
import { Agent, StandingGrant, TokenInfo } from "../../domain/Principal.ts"
import type { CallClass } from "../../domain/Rate.ts"
import type { Token } from "../../domain/Token.ts"
import { agentJson, standingGrantJson, tokenJson } from "../registry/principalJson.ts"
import { holder } from "./holderSql.ts"

/**
 * Who holds a token, what it is granted, what a key stands for and how often it called, as one row: the
 * part that authenticating and reserving have in common, so that neither asks twice and both judge alike.
 */
export const CallerRow = Schema.Struct({
  agent: Agent,
  token: TokenInfo,
  revoked: Schema.Boolean,
  expired: Schema.Boolean,
  grants: Schema.Array(StandingGrant),
  operation: Schema.NullOr(Operation),
  /** Null where this call is not counted. */
  rate: Schema.NullOr(Schema.Struct({ calls: Schema.Int, resets_in_seconds: Schema.Int }))
})
export type CallerRow = typeof CallerRow.Type

/** What a call is counted as, and how many of its class there may be in a minute. */
export interface Counting {
  readonly class: CallClass
  readonly limit: number
}

/** How calls of a class are counted; not at all where there is no limit. */
export const countingOf = (
  settings: Settings["Service"],
  counts: CallClass | undefined
): Counting | undefined => {
  if (counts === undefined) return undefined
  const limit = counts === "reads" ? settings.readsPerMinute : settings.writesPerMinute
  return limit === 0 ? undefined : { class: counts, limit }
}

/** Which call it is about. */
export interface Asked {
  readonly token: Token
  readonly key: string | undefined
  readonly counting: Counting | undefined
  /** For how long an answer is kept. */
  readonly retention: Duration.Duration
  readonly longestGrant: Settings["Service"]["longestGrant"]
}

/**
 * The statement's part that counts the call: a live token's, and not where its key stands for
 * something known, since answering that again costs nobody anything. Stands in front of `callerRow`, among the statement's `with`.
 */
export const rated = (sql: PgClient, { counting, key, token }: Asked): Fragment =>
  counting === undefined
    ? sql`rated as (select null::integer as calls where false)`
    : sql`rated as (
        insert into call_rates as r (agent_id, class, minute, calls)
        select t.agent_id, ${counting.class}, date_trunc('minute', now()), 1
        from ${holder(sql, token).from}
        join agents a on a.id = t.agent_id
        where ${holder(sql, token).isLive}
          and a.status = 'active'
          ${
            key === undefined
              ? sql``
              : sql`and not exists (
                  select from idempotency_keys k
                  where k.agent_id = t.agent_id and k.key = ${key}
                    and (k.state = 'executed' or (k.state = 'in_progress' and k.lease_until > now()))
                )`
          }
        on conflict (agent_id, class) do update set
          calls = case when excluded.minute > r.minute then 1 else r.calls + 1 end,
          minute = greatest(r.minute, excluded.minute)
        returning calls
      )`

/**
 * The row itself, where `rated` stands before it. The database's clock judges what has expired and when
 * a minute is over: the clocks of several instances need not agree.
 */
export const callerRow = (sql: PgClient, asked: Asked): Statement<unknown> => {
  const { from, is, isExpired, isRevoked, scopes } = holder(sql, asked.token)
  return sql`
  select
    ${agentJson(sql)} as agent,
    ${tokenJson(sql)} as token,
    ${isRevoked} as revoked,
    ${isExpired} as expired,
    coalesce((
      select json_agg(${standingGrantJson(sql, asked.longestGrant, scopes)} order by g.created_at, g.id)
      from grants g
      where g.agent_id = a.id and g.revoked_at is null
    ), '[]'::json) as grants,
    ${operationJson(sql, asked)} as operation,
    (
      select json_build_object(
        'calls', rated.calls,
        'resets_in_seconds',
        ceil(extract(epoch from date_trunc('minute', now()) + interval '1 minute' - now()))::integer
      )
      from rated
    ) as rate
  from ${from}
  join agents a on a.id = t.agent_id
  where ${is}`
}

/** The row, and the call counted, as a statement of its own. */
export const callerStatement = (sql: PgClient, asked: Asked): Statement<unknown> => sql`
  with ${rated(sql, asked)} ${callerRow(sql, asked)}`

const operationJson = (sql: PgClient, { key, retention }: Asked): Fragment =>
  key === undefined
    ? sql`null::json`
    : sql`(
      select json_build_object(
        'id', k.id, 'agent_id', k.agent_id, 'key', k.key, 'tool', k.tool, 'project_id', k.project_id,
        'issue_id', k.issue_id, 'fingerprint', k.fingerprint, 'state', k.state, 'fence', k.fence,
        'lease_expired', coalesce(k.lease_until <= now(), false),
        'answer_expired', k.expired_at is not null or coalesce(
          k.settled_at <= now() - ${Duration.toSeconds(retention)}::integer * interval '1 second', false
        ),
        'answer', k.answer
      )
      from idempotency_keys k
      where k.agent_id = a.id and k.key = ${key} and k.state <> 'not_executed'
    )`
