import { PgClient } from "@effect/sql-pg/PgClient"
import { Array, Duration, Effect, Layer, Option, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { ChangedFields } from "../../domain/Change.ts"
import { ClientClaims } from "../../domain/ClientClaims.ts"
import { IssueId, OperationId, ProjectId, TokenId } from "../../domain/Ids.ts"
import { type Lease, upstreamKey } from "../../domain/Operation.ts"
import { Agent, StandingGrant } from "../../domain/Principal.ts"
import { Write } from "../../domain/Write.ts"
import { type Check, type Due, RecoveryQueue } from "../../services/RecoveryQueue.ts"
import { insertEvent } from "../audit/auditSql.ts"
import { storage } from "../database/storage.ts"
import { agentJson, standingGrantJson } from "../registry/principalJson.ts"
import {
  held,
  leaseMillis,
  raisedResentMoved,
  raisedSentUntil,
  resentMoved,
  sendUntil,
  sentUntil,
  TriesRow,
  triesColumns,
  triesOf
} from "./leases.ts"

const DueRow = Schema.Struct({
  ...TriesRow.fields,
  workspace_slug: Schema.String,
  id: OperationId,
  key: Schema.String,
  tool: Schema.String,
  project_id: ProjectId,
  fingerprint: Schema.String,
  token_id: TokenId,
  token_revoked: Schema.Boolean,
  request_id: Schema.String,
  fence: Schema.Int,
  looks: Schema.Int,
  intent: Schema.Unknown,
  before: Schema.NullOr(ChangedFields),
  client: Schema.NullOr(ClientClaims),
  agent: Agent,
  grants: Schema.Array(StandingGrant)
})
const CheckRow = Schema.Struct({
  id: OperationId,
  key: Schema.String,
  tool: Schema.String,
  project_id: ProjectId,
  issue_id: Schema.NullOr(IssueId),
  fingerprint: Schema.String,
  token_id: TokenId,
  request_id: Schema.String,
  client: Schema.NullOr(ClientClaims),
  age: Schema.Number,
  is_comment: Schema.Boolean,
  workspace_slug: Schema.String,
  agent: Agent
})
const decodeChecks = Schema.decodeUnknownEffect(Schema.Array(CheckRow))
const decodeWrite = Schema.decodeUnknownEffect(Write)
const decodeDue = Schema.decodeUnknownEffect(Schema.Array(DueRow))

/** How long one waits that this version can't read; another instance may be of one that can. */
const unreadable = Duration.minutes(5)

export const layer = Layer.effect(
  RecoveryQueue,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const settings = yield* Settings
    const lease = leaseMillis(settings)

    /** Rows that another instance is just taking are skipped, not waited for. */
    const take = Effect.fnUntraced(function* (most: number) {
      const until = yield* sendUntil(settings)
      const rows = yield* storage(
        sql`
          with due as materialized (
            select id from idempotency_keys
            where state in ('in_progress', 'unknown') and coalesce(lease_until, look_at) <= now()
            order by coalesce(lease_until, look_at)
            limit ${most}::integer
            for update skip locked
          ), taken as (
            update idempotency_keys k
            set state = 'in_progress', fence = fence + 1, look_at = null, sent_until = ${sentUntil(sql)},
                resent_moved = ${resentMoved(sql)},
                lease_until = now() + ${lease}::integer * interval '1 millisecond'
            from due where k.id = due.id
            returning k.*
          )
          select
            k.id, k.key, k.tool, k.project_id, k.fingerprint, k.token_id, k.request_id, k.fence, k.looks,
            k.intent, k.before, k.client, ${triesColumns(sql, settings)}, ${agentJson(sql)} as agent,
            (select workspace_slug from grants where id = k.grant_id) as workspace_slug,
            (select revoked_at is not null from tokens where id = k.token_id) as token_revoked,
            coalesce((
              select json_agg(${standingGrantJson(sql, settings.longestGrant)} order by g.created_at, g.id)
              from grants g
              where g.agent_id = a.id and g.revoked_at is null
            ), '[]'::json) as grants
          from taken k
          join agents a on a.id = k.agent_id`.pipe(Effect.flatMap(decodeDue))
      )
      return Array.getSomes(yield* Effect.forEach(rows, (row) => read(row, until)))
    })

    /** One that this version can't read is left to others for a while, and holds up none that was taken with it. */
    const read = Effect.fnUntraced(function* (row: typeof DueRow.Type, sendUntil: Lease["sendUntil"]) {
      const { agent, before, client, fence, grants, intent, looks, request_id, ...others } = row
      const { token_id, token_revoked, ...rest } = others
      const { age, first_at, moved, resent, restless, reused, workspace_slug, ...operation } = rest
      const lease: Lease = {
        operationId: operation.id,
        fence,
        upstreamKey: upstreamKey(agent.id, operation.key),
        sendUntil
      }
      const write = yield* Effect.option(decodeWrite(intent))
      if (Option.isNone(write)) {
        yield* Effect.logError("A write in doubt is not one that this gateway can read", {
          operation_id: operation.id
        })
        yield* putBack(lease, {
          after: unreadable,
          looked: false,
          because: "This gateway can't read it.",
          sentMillisAgo: undefined,
          resentMoved: false
        })
        return Option.none<Due>()
      }
      return Option.some<Due>({
        operation,
        lease,
        write: write.value,
        before,
        client,
        agent,
        grants,
        tokenId: token_id,
        isTokenRevoked: token_revoked,
        requestId: request_id,
        looks,
        tries: triesOf({ age, first_at, moved, resent, restless, reused }),
        workspaceSlug: workspace_slug
      })
    })

    const putBack: RecoveryQueue["Service"]["putBack"] = (
      lease,
      { after, because, looked, resentMoved, sentMillisAgo }
    ) =>
      Effect.asVoid(
        storage(sql`
          update idempotency_keys
          set state = 'unknown', lease_until = null, reason = ${because},
              sent_until = ${raisedSentUntil(sql, sentMillisAgo)},
              resent_moved = ${raisedResentMoved(sql, resentMoved)},
              look_at = now() + ${Math.ceil(Duration.toMillis(after))}::integer * interval '1 millisecond',
              next_look = now() + ${Math.ceil(Duration.toMillis(after))}::integer * interval '1 millisecond',
              looks = looks + ${looked ? 1 : 0}::integer
          where ${held(sql, lease)}`)
      )

    const takeChecks = (most: number) =>
      Effect.map(
        storage(
          sql`
            with due as materialized (
              select id from idempotency_keys where check_at <= now()
              order by check_at limit ${most}::integer
              for update skip locked
            ), taken as (
              update idempotency_keys k
              set check_at = now() + ${lease}::integer * interval '1 millisecond'
              from due where k.id = due.id
              returning k.*
            )
            select
              k.id, k.key, k.tool, k.project_id, k.issue_id, k.fingerprint, k.token_id, k.request_id, k.client,
              floor(extract(epoch from now() - k.settled_at) * 1000)::float8 as age, k.tool = 'tasker_add_comment' as is_comment, ${agentJson(sql)} as agent,
              (select workspace_slug from grants where id = k.grant_id) as workspace_slug
            from taken k
            join agents a on a.id = k.agent_id`.pipe(Effect.flatMap(decodeChecks))
        ),
        Array.map(
          ({
            age,
            agent,
            client,
            is_comment,
            request_id,
            token_id,
            workspace_slug,
            ...operation
          }): Check => ({
            operation,
            upstreamKey: upstreamKey(agent.id, operation.key),
            isComment: is_comment,
            agent,
            tokenId: token_id,
            requestId: request_id,
            client,
            workspaceSlug: workspace_slug,
            age
          })
        )
      )

    const endCheck: RecoveryQueue["Service"]["endCheck"] = ({ operation: { id } }, result) => {
      switch (result._tag) {
        case "Single":
        case "GivenUp":
          return Effect.asVoid(storage(sql`update idempotency_keys set check_at = null where id = ${id}`))
        case "Later":
          return Effect.asVoid(
            storage(sql`
              update idempotency_keys
              set check_at = now() + ${Math.ceil(Duration.toMillis(result.after))}::integer * interval '1 millisecond'
              where id = ${id} and check_at is not null`)
          )
        case "Doubled":
          return Effect.asVoid(
            storage(sql`
              with told as (
                update idempotency_keys
                set check_at = null, doubled = true,
                    answer = jsonb_set(
                      answer, '{warnings}', (answer -> 'warnings') || ${sql.json([result.warning])}::jsonb
                    )
                where id = ${id} and check_at is not null and not doubled
                returning id
              ), ended as (
                update idempotency_keys set check_at = null where id = ${id} and doubled
              ), event as (${insertEvent(sql, result.event, sql`from told`)})
              select`)
          )
      }
    }

    return RecoveryQueue.of({ take, putBack, takeChecks, endCheck })
  })
)
