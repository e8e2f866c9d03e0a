import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import type { Settings } from "../../Config.ts"
import { type KeyHolder, Operation } from "../../domain/Operation.ts"
import { Agent, StandingGrant, TokenInfo } from "../../domain/Principal.ts"
import type { CallClass } from "../../domain/Rate.ts"
import type { Token } from "../../domain/Token.ts"
import { agentJson, standingGrantJson, tokenJson } from "../registry/principalJson.ts"
import { holder } from "./holderSql.ts"
import { isUsedKey } from "./usedKeySql.ts"

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
  /** True if the key's write was executed and only the key is kept. */
  used: Schema.Boolean,
  /** Null where this call is not counted. */
  rate: Schema.NullOr(
    Schema.Struct({
      class: Schema.Literals(["reads", "writes"]),
      calls: Schema.Int,
      resets_in_millis: Schema.Number
    })
  )
})
export type CallerRow = typeof CallerRow.Type

/** What the key of the call stands for; undefined if it is free. */
export const keyHolderOf = ({ operation, used }: CallerRow): KeyHolder | undefined =>
  operation ?? (used ? "used" : undefined)

/** How a call is counted. One of writes counts as a read if its key answers it. */
export interface Counting {
  readonly as: CallClass
  /** Calls of each class in a minute; 0: not counted. */
  readonly limits: Readonly<Record<CallClass, number>>
}

/** How calls of a class are counted; undefined if no limit can apply to them. */
export const countingOf = (
  { readsPerMinute: reads, writesPerMinute: writes }: Settings["Service"],
  as: CallClass
): Counting | undefined =>
  reads === 0 && (writes === 0 || as === "reads") ? undefined : { as, limits: { reads, writes } }

/** True if this call is one more than its agent has in this minute. */
export const isOverRate = (rate: NonNullable<CallerRow["rate"]>, { limits }: Counting): boolean =>
  rate.calls > limits[rate.class]

/** Which call it is about. */
export interface Asked {
  readonly token: Token
  readonly key: string | undefined
  readonly counting: Counting | undefined
  /** For how long an answer is kept. */
  readonly retention: Duration.Duration
  readonly longestGrant: Settings["Service"]["longestGrant"]
}

/** The minute that a call is counted in: as it is when the row is locked, so that it only goes on, and goes back if the clock does. */
const minute = (sql: PgClient): Fragment => sql`date_trunc('minute', clock_timestamp())`

/**
 * The statement's part that counts a live token's call and tells its class. Stands in front of `callerRow`, among
 * the statement's `with`.
 */
export const rated = (sql: PgClient, asked: Asked): Fragment => {
  const { counting, token } = asked
  if (counting === undefined) {
    return sql`rated as (
      select null::text as class, null::integer as calls, null::timestamptz as minute where false
    )`
  }
  const { reads, writes } = counting.limits
  return sql`rated as (
    insert into call_rates as r (agent_id, class, minute, calls)
    select t.agent_id, counted.class, ${minute(sql)}, 1
    from ${holder(sql, token).from}
    join agents a on a.id = t.agent_id
    cross join lateral (select ${classOf(sql, asked)} as class) as counted
    where ${holder(sql, token).isLive}
      and a.status = 'active'
      and case counted.class when 'reads' then ${reads}::integer else ${writes}::integer end > 0
    on conflict (agent_id, class) do update set
      calls = case when r.minute = ${minute(sql)} then r.calls + 1 else 1 end,
      minute = ${minute(sql)}
    returning class, calls, minute
  )`
}

/** The class that a call is counted as. */
const classOf = (sql: PgClient, { counting, key }: Asked): Fragment =>
  counting?.as !== "writes" || key === undefined
    ? sql`${counting?.as ?? "reads"}::text`
    : sql`case
        when ${isUsedKey(sql, sql`t.agent_id`, key)} or exists (
          select from idempotency_keys k
          where k.agent_id = t.agent_id and k.key = ${key}
            and (k.state = 'executed' or (k.state = 'in_progress' and k.lease_until > now()))
        )
        then 'reads' else 'writes'
      end`

/** True if the call that was counted is within its agent's rate. */
export const isWithinRate = (sql: PgClient, { counting }: Asked): Fragment =>
  counting === undefined
    ? sql`true`
    : sql`not exists (
        select from rated where calls > case class
          when 'reads' then ${counting.limits.reads}::integer else ${counting.limits.writes}::integer
        end
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
    ${asked.key === undefined ? sql`false` : isUsedKey(sql, sql`a.id`, asked.key)} as used,
    (
      select json_build_object(
        'class', rated.class, 'calls', rated.calls, 'resets_in_millis', greatest(0, floor(
          extract(epoch from rated.minute + interval '1 minute' - clock_timestamp()) * 1000
        ))
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
