import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { AuditEvent, auditEntry } from "../../domain/AuditEvent.ts"
import { changeHash } from "../../domain/Change.ts"
import { judgeDecision } from "../../domain/Decision.ts"
import { codeOf, type IdempotencyRefused, RequestRefused } from "../../domain/Failure.ts"
import { OperationId } from "../../domain/Ids.ts"
import { invalidInput } from "../../domain/inputs.ts"
import { keyExpired, upstreamKey } from "../../domain/Operation.ts"
import { OperationShown } from "../../domain/OperationShown.ts"
import { Write } from "../../domain/Write.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { Operations, type Settlement } from "../../services/Operations.ts"
import { eventColumns, shownEvent } from "../audit/auditSql.ts"
import { insertChange } from "../audit/changeSql.ts"
import { storage } from "../database/storage.ts"
import { makeActing } from "../registry/administrativeAct.ts"
import { agentWithin } from "../registry/registryAgents.ts"
import { items, page } from "../registry/registrySql.ts"
import {
  type Found,
  forDecision,
  operationJson,
  operationWithin,
  settleExecuted,
  settleNotExecuted
} from "./operationSql.ts"
import { isUsedKey } from "./usedKeySql.ts"

type Service = Operations["Service"]

const statesOf = {
  in_progress: ["in_progress", "unknown"],
  unresolved: ["unresolved"],
  any: ["in_progress", "unknown", "unresolved"]
} as const

/** As many events of one key as anyone reads; a call that was repeated for days has more. */
const longestHistory = 200

const decodeWrite = Schema.decodeUnknownEffect(Write)
const asOperations = items(OperationShown)
const decodeEvents = Schema.decodeUnknownEffect(Schema.Array(AuditEvent))
const asIds = items(OperationId)

export const layer = Layer.effect(
  Operations,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const audit = yield* AuditLog
    const { idempotencyRetention: retention } = yield* Settings
    const acting = makeActing(sql, audit)

    const list: Service["list"] = Effect.fn("Operations.list")((reach, request) => {
      const { agentId, status } = request
      const known = agentId === undefined ? Effect.void : agentWithin(sql, reach, agentId)
      const states = statesOf[status ?? "any"]
      return storage(
        Effect.andThen(
          known,
          page(sql, OperationShown, request, (position, cut) => {
            // A page of each state, which an index has in this order, so that no list sorts everyone's rows.
            const newest = (state: string) => sql`(
                select row.* from idempotency_keys as row
                where row.state = ${sql.literal(`'${state}'`)}
                  ${reach === undefined ? sql`` : sql`and row.agent_id in (select id from agents where owner_user_id = ${reach})`}
                  ${agentId === undefined ? sql`` : sql`and row.agent_id = ${agentId}::uuid`}
                  ${cut}
              )`
            return sql`
                select item, ${position} from (
                  select ${operationJson(sql, retention)} as item, k.created_at, k.id
                  from (${sql.join(" union all ", false)(states.map(newest))}) as k
                ) as row where true ${cut}`
          })
        )
      )
    })

    const get: Service["get"] = Effect.fn("Operations.get")((reach, id) =>
      storage(
        Effect.gen(function* () {
          const { operation } = yield* operationWithin(sql, retention, reach, id)
          const rows = yield* sql<Record<string, unknown>>`
            select ${eventColumns(sql)}
            from (
              select * from audit_events
              where agent_id = ${operation.agent_id}::uuid and idempotency_key = ${operation.idempotency_key}
              order by position desc
              limit ${longestHistory + 1}::integer
            ) as e
            order by e.position`
          const events = yield* decodeEvents(rows.map(shownEvent))
          return {
            operation,
            history: events.slice(-longestHistory),
            truncated: events.length > longestHistory
          }
        })
      )
    )

    const ofKey: Service["ofKey"] = Effect.fn("Operations.ofKey")((agentId, key) =>
      storage(
        Effect.flatMap(
          asOperations(sql`
            select ${operationJson(sql, retention)} as item from idempotency_keys k
            where k.agent_id = ${agentId}::uuid and k.key = ${key}
            order by (k.state <> 'not_executed') desc, k.created_at desc, k.id desc
            limit 1`),
          ([operation]) =>
            operation === undefined || operation.status === "not_executed"
              ? Effect.flatMap(
                  sql`select where ${isUsedKey(sql, sql`${agentId}::uuid`, key)}`,
                  (used): Effect.Effect<OperationShown, RequestRefused | IdempotencyRefused> =>
                    used.length > 0
                      ? Effect.fail(keyExpired(null))
                      : operation === undefined
                        ? Effect.fail(unknownKey())
                        : Effect.succeed(operation)
                )
              : Effect.succeed(operation)
        )
      )
    )

    const toDecide: Service["toDecide"] = Effect.fn("Operations.toDecide")(function* (reach, id, decision) {
      const found = yield* storage(operationWithin(sql, retention, reach, id))
      const verdict = judge(found, decision)
      if (verdict._tag === "Refused") return yield* verdict.failure
      if (verdict._tag === "Standing") return { _tag: "Standing", operation: found.operation }
      const write = yield* Effect.orDie(decodeWrite(found.intent))
      return {
        _tag: "Undecided",
        undecided: {
          agent: found.agent,
          write,
          before: found.before,
          workspaceSlug: found.workspace_slug,
          upstreamKey: upstreamKey(found.agent.id, found.operation.idempotency_key),
          reused: found.reused
        }
      }
    })

    const settle: Service["settle"] = Effect.fn("Operations.settle")((act, id, decision, settlement) =>
      acting.transaction(
        Effect.gen(function* () {
          const found = yield* operationWithin(sql, retention, act.reach, id, forDecision(sql))
          const verdict = judge(found, decision)
          if (verdict._tag === "Refused") return yield* verdict.failure
          if (verdict._tag === "Standing") return found.operation
          yield* ownCard(found, settlement)
          const operation = yield* settlement.outcome === "executed"
            ? settleExecuted(sql, retention, found, settlement, decision.note)
            : settleNotExecuted(sql, retention, found, decision.note)
          const { idempotency_key, project_id, tool } = operation
          yield* acting.executed(
            { ...act, key: { path: "", value: idempotency_key } },
            "operation.settled",
            found.agent,
            {
              body: decision,
              projectId: project_id,
              reason: settlement.outcome === "not_executed" && settlement.forced ? "operation.forced" : null
            }
          )
          // The write's own end, told as those that settle by themselves: a card has exactly one `executed`.
          const change = settlement.outcome === "executed" ? settlement.change : undefined
          const event = yield* audit.stamp(
            auditEntry({
              action: tool,
              outcome: settlement.outcome === "executed" ? "executed" : "failed",
              reason: settlement.outcome === "executed" ? null : "operation.not_executed",
              agent: found.agent,
              token: { id: found.token_id },
              project_id,
              issue_id: operation.issue_id,
              idempotency_key,
              arguments_sha256: found.fingerprint,
              request_id: operation.request_id,
              via: "admin",
              ...(found.client === null ? {} : { client: found.client }),
              ...(change === undefined ? {} : { change_sha256: changeHash(change) })
            })
          )
          yield* audit.append(event)
          if (settlement.outcome === "executed" && change !== undefined) {
            yield* insertChange(sql, event, change, settlement.answer.issue, sql`from (select 1) as always`)
          }
          return operation
        })
      )
    )

    /** A new card stands for one write: one that another key of the agent's made is not this one's. */
    const ownCard = Effect.fnUntraced(function* (found: Found, settlement: Settlement) {
      if (found.operation.tool !== "tasker_create_issue") return
      if (settlement.outcome === "not_executed" || settlement.issueId === null) return
      const [other] = yield* asIds(sql`
        select k.id as item from idempotency_keys k
        where k.agent_id = ${found.agent.id}::uuid and k.issue_id = ${settlement.issueId}::uuid
          and k.tool = 'tasker_create_issue' and k.state = 'executed'
        limit 1`)
      if (other !== undefined) {
        return yield* invalidInput(
          "issue_id",
          `Card ${settlement.issueId} was made by another write of this agent, operation ${other}. Name the card that this one made; if it made none, it is not_executed.`
        )
      }
    })

    const recordFailure: Service["recordFailure"] = Effect.fn("Operations.recordFailure")(
      (act, action, id, failure) =>
        storage(operationWithin(sql, retention, act.reach, id)).pipe(
          Effect.flatMap(({ agent, operation }) =>
            audit.record(
              auditEntry({
                action,
                outcome: "failed",
                reason: codeOf(failure),
                agent,
                project_id: operation.project_id,
                idempotency_key: operation.idempotency_key,
                request_id: act.requestId,
                via: "admin"
              })
            )
          ),
          Effect.catchTag("RequestRefused", () => Effect.void)
        )
    )

    return Operations.of({ list, get, ofKey, toDecide, settle, recordFailure })
  })
)

const judge = ({ operation, state }: Found, decision: Parameters<typeof judgeDecision>[1]) =>
  judgeDecision({ state, issue_id: operation.issue_id }, decision)

const unknownKey = (): RequestRefused =>
  new RequestRefused({
    reason: "not_found",
    message:
      "No write of yours stands under this idempotency_key. It never arrived, or it was refused and changed nothing: the call may be sent, with this same key."
  })
