import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { ChangedFields } from "../../domain/Change.ts"
import { ClientClaims } from "../../domain/ClientClaims.ts"
import { OperationState } from "../../domain/Decision.ts"
import { type OperationId, TokenId } from "../../domain/Ids.ts"
import type { Answer } from "../../domain/Operation.ts"
import { OperationShown } from "../../domain/OperationShown.ts"
import { Agent } from "../../domain/Principal.ts"
import type { Reach } from "../../services/AgentRegistry.ts"
import { agentJson } from "../registry/principalJson.ts"
import { notFound } from "../registry/registryAgents.ts"
import { items } from "../registry/registrySql.ts"
import { returnTitle } from "./titleSql.ts"

/** What stands behind a key as people see it, and how a decision about it is written down. */

/**
 * The noun of `domain/OperationShown.ts`, of a row of `idempotency_keys` named `k`. `retention` says for how
 * long an answer is kept: one that is older counts as gone also before the reaper came.
 */
export const operationJson = (sql: PgClient, retention: Duration.Duration): Fragment => sql`
  jsonb_build_object(
    'id', k.id, 'agent_id', k.agent_id, 'tool', k.tool, 'project_id', k.project_id,
    'issue_id', k.issue_id, 'issue_identifier', k.answer #>> '{issue,identifier}',
    'comment_id', k.answer #>> '{comment,id}', 'idempotency_key', k.key,
    'status', case
      when k.state = 'unknown' then 'in_progress'
      when k.state = 'executed' and (
        k.expired_at is not null
        or k.settled_at <= now() - ${Duration.toSeconds(retention)}::integer * interval '1 second'
      ) then 'expired'
      else k.state
    end,
    'reason', k.reason, 'looks', k.looks, 'request_id', k.request_id,
    'created_at', iso(k.created_at), 'settled_at', iso(k.settled_at)
  ) || case when k.doubled then '{"doubled": true}' else '{}' end::jsonb`

/** A row with what a decision about it has to know. */
const Found = Schema.Struct({
  operation: OperationShown,
  state: OperationState,
  agent: Agent,
  token_id: TokenId,
  fingerprint: Schema.String,
  /** The write, null once it is settled; as it was stored, which may be by another version of this gateway. */
  intent: Schema.Unknown,
  before: Schema.NullOr(ChangedFields),
  workspace_slug: Schema.String,
  reused: Schema.Boolean,
  client: Schema.NullOr(ClientClaims)
})
export type Found = typeof Found.Type

const decodeFound = Schema.decodeUnknownEffect(Schema.Array(Found))

/** The operation, if it is within reach. `lock` ends the statement: how the rows are held until the transaction ends. */
export const operationWithin = (
  sql: PgClient,
  retention: Duration.Duration,
  reach: Reach,
  id: OperationId,
  lock: Fragment = sql``
) =>
  sql`
    select
      ${operationJson(sql, retention)} as operation, k.state, ${agentJson(sql)} as agent, k.token_id,
      k.fingerprint, k.intent, k.before, k.client, k.reused,
      (select workspace_slug from grants where id = k.grant_id) as workspace_slug
    from idempotency_keys k
    join agents a on a.id = k.agent_id
    where k.id = ${id}::uuid ${reach === undefined ? sql`` : sql`and a.owner_user_id = ${reach}`} ${lock}`.pipe(
    Effect.flatMap(decodeFound),
    Effect.flatMap(([found]) =>
      found === undefined ? Effect.fail(notFound("operation")) : Effect.succeed(found)
    )
  )

/**
 * The row until the transaction ends, with its agent's: decisions about one agent's writes come one after
 * another, so that none of two gets a card that the other just took. Calls of the agent wait for neither.
 */
export const forDecision = (sql: PgClient): Fragment => sql`for no key update of a for update of k`

const asOperations = items(OperationShown)

const settled = (found: Found) => (rows: ReadonlyArray<OperationShown>) =>
  rows[0] === undefined
    ? Effect.die(new Error(`Operation ${found.operation.id} was locked and is gone`))
    : Effect.succeed(rows[0])

/** Writes down that it was made. The fence rises so that whoever held it before can write nothing any more. */
export const settleExecuted = (
  sql: PgClient,
  retention: Duration.Duration,
  found: Found,
  made: { readonly answer: Answer; readonly issueId: string | null },
  note: string
) =>
  Effect.flatMap(
    asOperations(sql`
      update idempotency_keys k
      set state = 'executed', fence = fence + 1, answer = ${sql.json(made.answer)},
          issue_id = ${made.issueId}::uuid, intent = null, before = null, reason = ${note},
          look_at = null, settled_at = now()
      where k.id = ${found.operation.id}::uuid
      returning ${operationJson(sql, retention)} as item`),
    settled(found)
  )

/**
 * Writes down that it was not made: its key and its title are free, and it costs its grant nothing. The
 * title comes before the count, in the order in which reserving locks them. `sent_until` stays: until the
 * request is assumed dead the key is not reserved again.
 */
export const settleNotExecuted = (sql: PgClient, retention: Duration.Duration, found: Found, note: string) =>
  Effect.gen(function* () {
    const { id } = found.operation
    yield* returnTitle(sql, id)
    yield* sql`
      update grant_writes w set writes = greatest(w.writes - 1, 0)
      from idempotency_keys k
      where k.id = ${id}::uuid and k.counted and w.grant_id = k.grant_id
        and w.day = (k.created_at at time zone 'UTC')::date`
    const rows = yield* asOperations(sql`
      update idempotency_keys k
      set state = 'not_executed', fence = fence + 1, intent = null, before = null, reason = ${note},
          look_at = null, settled_at = now(), sent_until = coalesce(sent_until, now())
      where k.id = ${id}::uuid
      returning ${operationJson(sql, retention)} as item`)
    return yield* settled(found)(rows)
  })
