import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import type { Settings } from "../../Config.ts"
import { OperationId } from "../../domain/Ids.ts"
import { issueOf } from "../../domain/Write.ts"
import type { Intent } from "../../services/Idempotency.ts"
import { jsonOrNull } from "../audit/auditSql.ts"
import { grantExpired } from "../registry/principalJson.ts"
import { type Asked, CallerRow, callerRow, countingOf, isWithinRate, rated } from "./callerSql.ts"
import { holder } from "./holderSql.ts"
import { isUsedKey } from "./usedKeySql.ts"

/** What reserving finds: who asks, and what came of it. */
export const ReservedRow = Schema.Struct({
  ...CallerRow.fields,
  reserved: Schema.NullOr(OperationId),
  /** True if the key stood for a write before that Tasker was asked for and that was not executed. */
  reused: Schema.Boolean,
  /** Milliseconds until every request under this key is assumed dead; 0 if that is so already. */
  restless: Schema.Number,
  /** The database's clock, in milliseconds since the epoch. */
  now: Schema.Number,
  /** Whether the title was free, where it matters. */
  titled: Schema.Boolean
})

/** What the caller's row is asked about for a reservation. */
export const askedOf = (intent: Intent, settings: Settings["Service"]): Asked => ({
  token: intent.token,
  key: intent.key,
  counting: intent.counted ? undefined : countingOf(settings, "writes"),
  retention: settings.idempotencyRetention,
  longestGrant: settings.longestGrant
})

/**
 * Reserving, as one statement. `caller` is who asks, as the database knows it in this instant;
 * `allowed` is the grant that admits this write, if one does; the key is inserted only for an allowed
 * caller within its rate, only where it is free and no earlier request under it can still arrive (`resting`),
 * and only where the title is; `counted` fails the whole by its constraint where the day's writes are used up.
 */
export const reserveStatement = (
  sql: PgClient,
  settings: Settings["Service"],
  intent: Intent,
  id: string,
  leaseMillis: number
): Statement<unknown> => {
  const asked = askedOf(intent, settings)
  const { from, isLive, scopes } = holder(sql, intent.token)
  return sql`
    with ${rated(sql, asked)}, caller as materialized (
      ${callerRow(sql, asked)}
    ), resting as materialized (
      ${resting(sql, settings, intent)}
    ), allowed as (
      select t.id as token_id, t.agent_id, g.id as grant_id, g.max_writes_per_day
      from ${from}
      join agents a on a.id = t.agent_id
      join grants g on g.agent_id = t.agent_id and g.revoked_at is null
      where ${isLive}
        and a.status = 'active'
        and g.project_id = ${intent.projectId}
        and not ${grantExpired(sql, settings.longestGrant)}
        and ${intent.scope}::text = any (g.scopes)
        and (${scopes} is null or ${intent.scope}::text = any (${scopes}))
        and (select millis from resting) <= 0
        and ${isWithinRate(sql, asked)}
    ), free as (
      -- Both are asked in one snapshot, so that a key whose row is just being moved is found in one of them.
      select from allowed
      where not exists (
        select from idempotency_keys k
        where k.agent_id = allowed.agent_id and k.key = ${intent.key} and k.state <> 'not_executed'
      ) and not ${isUsedKey(sql, sql`allowed.agent_id`, intent.key)}
    ), titled as (
      ${titled(sql, settings, intent, id)}
    ), reserved as (
      insert into idempotency_keys (
        id, agent_id, key, tool, project_id, issue_id, grant_id, token_id, fingerprint, state,
        lease_until, intent, before, client, request_id, counted, reused, sent_until
      )
      select
        ${id}::uuid, agent_id, ${intent.key}, ${intent.tool}, ${intent.projectId}::uuid,
        ${issueOf(intent.write)}::uuid, grant_id, token_id, ${intent.fingerprint}, 'in_progress',
        now() + ${leaseMillis}::integer * interval '1 millisecond', ${sql.json(intent.write)},
        ${jsonOrNull(sql, intent.before)}, ${jsonOrNull(sql, intent.client)}, ${intent.requestId}, max_writes_per_day is not null,
        exists (
          select from audit_events e
          where e.agent_id = allowed.agent_id and e.idempotency_key = ${intent.key} and e.outcome = 'failed'
            and (e.reason like 'tasker.%' or e.reason = 'operation.not_executed')
        ), 'epoch'
      from allowed
      where exists (select from free) and exists (select from titled)
      on conflict (agent_id, key) where state <> 'not_executed' do nothing
      returning id, grant_id, reused
    ), counted as (
      insert into grant_writes (grant_id, day, writes, max_writes)
      select allowed.grant_id, (now() at time zone 'UTC')::date, 1, allowed.max_writes_per_day
      from reserved join allowed on allowed.grant_id = reserved.grant_id
      where allowed.max_writes_per_day is not null
      on conflict (grant_id, day) do update
        set writes = grant_writes.writes + 1, max_writes = excluded.max_writes
    )
    select caller.*, (select id from reserved) as reserved,
      coalesce((select reused from reserved), true) as reused,
      (select millis from resting) as restless,
      floor(extract(epoch from now()) * 1000)::float8 as now, exists (select from titled) as titled
    from caller`
}

/**
 * How long requests under the key can still arrive. Of rows in any state: one that is just being settled as not
 * made stands here as it was, and frees the key before this statement inserts.
 */
const resting = (
  sql: PgClient,
  { settleAfter }: Settings["Service"],
  { key, token }: Intent
): Fragment => sql`
  select coalesce(greatest(0, ceil(extract(epoch from
    max(coalesce(k.sent_until, now())) + ${Duration.toMillis(settleAfter)}::integer * interval '1 millisecond' - now()
  ) * 1000)), 0)::float8 as millis
  from ${holder(sql, token).from}
  join idempotency_keys k on k.agent_id = t.agent_id
  where ${holder(sql, token).is} and k.key = ${key}`

/**
 * Takes the title for this write, where its tool minds repetitions and the key is new: of two at the
 * same instant the second waits here for the first and finds the title taken. A row where it is free.
 */
const titled = (sql: PgClient, settings: Settings["Service"], intent: Intent, id: string): Fragment => {
  const window = Duration.toSeconds(settings.duplicateWindow)
  const { repetition } = intent
  if (repetition === undefined || window === 0) return sql`select`
  return sql`
    insert into recent_titles as t (agent_id, project_id, title_hash, operation_id)
    select allowed.agent_id, ${intent.projectId}::uuid, ${repetition.titleHash}, ${id}::uuid
    from allowed
    where exists (select from free)
    on conflict (agent_id, project_id, title_hash) do update
      set operation_id = excluded.operation_id, reserved_at = now(),
          previous_operation_id = t.operation_id, previous_reserved_at = t.reserved_at
      -- A first run of this statement took it already: what it held before is not to be overwritten.
      where t.operation_id <> excluded.operation_id and (
        ${repetition.allowed}::boolean
          or t.reserved_at <= now() - ${window}::integer * interval '1 second'
      )
    returning operation_id`
}
