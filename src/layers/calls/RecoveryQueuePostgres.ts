import { PgClient } from "@effect/sql-pg/PgClient"
import { Array, Duration, Effect, Layer, Option, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { ChangedFields } from "../../domain/Change.ts"
import { ClientClaims } from "../../domain/ClientClaims.ts"
import { OperationId, ProjectId, TokenId } from "../../domain/Ids.ts"
import { upstreamKey } from "../../domain/Operation.ts"
import { Agent, StandingGrant } from "../../domain/Principal.ts"
import { Write } from "../../domain/Write.ts"
import { type Due, RecoveryQueue } from "../../services/RecoveryQueue.ts"
import { storage } from "../database/storage.ts"
import { agentJson, standingGrantJson } from "../registry/principalJson.ts"
import { held, leaseMillis } from "./leases.ts"

const DueRow = Schema.Struct({
  id: OperationId,
  key: Schema.String,
  tool: Schema.String,
  project_id: ProjectId,
  fingerprint: Schema.String,
  token_id: TokenId,
  request_id: Schema.String,
  fence: Schema.Int,
  looks: Schema.Int,
  intent: Schema.Unknown,
  before: Schema.NullOr(ChangedFields),
  client: Schema.NullOr(ClientClaims),
  agent: Agent,
  grants: Schema.Array(StandingGrant)
})
const decodeWrite = Schema.decodeUnknownEffect(Write)
const decodeDue = Schema.decodeUnknownEffect(Schema.Array(DueRow))

/** How long one waits that this version can't read; another instance may be of one that can. */
const unreadable = Duration.minutes(5)

export const layer = Layer.effect(
  RecoveryQueue,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const lease = leaseMillis(yield* Settings)

    /** Rows that another instance is just taking are skipped, not waited for. */
    const take = Effect.fnUntraced(function* (most: number) {
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
            set state = 'in_progress', fence = fence + 1, look_at = null,
                lease_until = now() + ${lease}::integer * interval '1 millisecond'
            from due where k.id = due.id
            returning k.*
          )
          select
            k.id, k.key, k.tool, k.project_id, k.fingerprint, k.token_id, k.request_id, k.fence, k.looks,
            k.intent, k.before, k.client, ${agentJson(sql)} as agent,
            coalesce((
              select json_agg(${standingGrantJson(sql)} order by g.created_at, g.id)
              from grants g
              where g.agent_id = a.id and g.revoked_at is null
            ), '[]'::json) as grants
          from taken k
          join agents a on a.id = k.agent_id`.pipe(Effect.flatMap(decodeDue))
      )
      return Array.getSomes(yield* Effect.forEach(rows, read))
    })

    /** One that this version can't read is left to others for a while, and holds up none that was taken with it. */
    const read = Effect.fnUntraced(function* (row: typeof DueRow.Type) {
      const { agent, before, client, fence, grants, intent, looks, request_id, token_id, ...operation } = row
      const lease = { operationId: operation.id, fence, upstreamKey: upstreamKey(agent.id, operation.key) }
      const write = yield* Effect.option(decodeWrite(intent))
      if (Option.isNone(write)) {
        yield* Effect.logError("A write in doubt is not one that this gateway can read", {
          operation_id: operation.id
        })
        yield* putBack(lease, { after: unreadable, looked: false, because: "This gateway can't read it." })
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
        requestId: request_id,
        looks
      })
    })

    const putBack: RecoveryQueue["Service"]["putBack"] = (lease, { after, because, looked }) =>
      Effect.asVoid(
        storage(sql`
          update idempotency_keys
          set state = 'unknown', lease_until = null, reason = ${because},
              look_at = now() + ${Math.ceil(Duration.toMillis(after))}::integer * interval '1 millisecond',
              next_look = now() + ${Math.ceil(Duration.toMillis(after))}::integer * interval '1 millisecond',
              looks = looks + ${looked ? 1 : 0}::integer
          where ${held(sql, lease)}`)
      )

    return RecoveryQueue.of({ take, putBack })
  })
)
