import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { auditEntry } from "../../domain/AuditEvent.ts"
import { codeOf } from "../../domain/Failure.ts"
import { AgentId, TokenId, UserId } from "../../domain/Ids.ts"
import {
  mostRefusals,
  sameRefused,
  suspensionMinutes,
  tooManyDenials,
  weigh
} from "../../domain/Suspension.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { type FailedCall, Suspension } from "../../services/Suspension.ts"
import { insertEvent } from "../audit/auditSql.ts"
import { storage } from "../database/storage.ts"
import { holder } from "./holderSql.ts"

const CountedRow = Schema.Struct({
  agent_id: AgentId,
  owner_user_id: UserId,
  token_id: TokenId,
  denials: Schema.Int,
  refusals: Schema.Int
})
type CountedRow = typeof CountedRow.Type
const decodeCounted = Schema.decodeUnknownEffect(Schema.Array(CountedRow))

export const layer = Layer.effect(
  Suspension,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const audit = yield* AuditLog
    const { suspendAfterDenials: most } = yield* Settings
    if (most === 0) return Suspension.of({ count: () => Effect.void })
    const since = sql`date_trunc('minute', now()) - ${suspensionMinutes}::integer * interval '1 minute'`

    /** The agent of a live token with its counts, this call's included. What was counted in earlier minutes is added up. */
    const counted = ({ token }: FailedCall, weight: ReturnType<typeof weigh>, fingerprint: string) =>
      storage(
        sql`
          with holder as materialized (
            select a.id as agent_id, a.owner_user_id, t.id as token_id
            from ${holder(sql, token).from}
            join agents a on a.id = t.agent_id
            where ${holder(sql, token).isLive} and a.status = 'active'
          ), denied as (
            insert into denial_counts as d (agent_id, minute, denials)
            select agent_id, date_trunc('minute', now()), 1 from holder where ${weight.denial}::boolean
            on conflict (agent_id, minute) do update set denials = d.denials + 1
            returning denials
          ), refused as (
            insert into refused_writes as r (agent_id, fingerprint, minute, refusals)
            select agent_id, ${fingerprint}, date_trunc('minute', now()), 1 from holder
            where ${weight.refusal && fingerprint !== ""}::boolean
            on conflict (agent_id, fingerprint, minute) do update set refusals = r.refusals + 1
            returning refusals
          )
          select holder.*,
            (coalesce((select denials from denied), 0) + coalesce((
              select sum(d.denials) from denial_counts d
              where d.agent_id = holder.agent_id and d.minute > ${since} and d.minute < date_trunc('minute', now())
            ), 0))::integer as denials,
            (coalesce((select refusals from refused), 0) + coalesce((
              select sum(r.refusals) from refused_writes r
              where r.agent_id = holder.agent_id and r.fingerprint = ${fingerprint}
                and r.minute > ${since} and r.minute < date_trunc('minute', now())
            ), 0))::integer as refusals
          from holder`.pipe(Effect.flatMap(decodeCounted))
      )

    /** Disables the agent, once, with its audit event. */
    const suspend = Effect.fnUntraced(function* (row: CountedRow, call: FailedCall, reason: string) {
      const event = yield* audit.stamp(
        auditEntry({
          action: "agent.suspended",
          outcome: "executed",
          reason: codeOf(call.failure),
          agent: { id: row.agent_id, owner_user_id: row.owner_user_id },
          token: { id: row.token_id },
          request_id: call.requestId,
          via: call.via
        })
      )
      yield* storage(sql`
        with suspended as (
          update agents set status = 'disabled', disabled_reason = ${reason}, updated_at = now()
          where id = ${row.agent_id} and status = 'active'
          returning id
        )
        ${insertEvent(sql, event, sql`from suspended`)}`)
      yield* Effect.logWarning(`An agent was disabled by a rule: ${reason}`, { agent_id: row.agent_id })
    })

    const count = Effect.fnUntraced(
      function* (call: FailedCall) {
        const weight = weigh(call.failure)
        if (!weight.denial && !weight.refusal) return
        const fingerprint = weight.refusal ? (call.fingerprint() ?? "") : ""
        if (!weight.denial && fingerprint === "") return
        const [row] = yield* counted(call, weight, fingerprint)
        if (row === undefined) return
        const code = codeOf(call.failure)
        if (weight.denial && row.denials >= most) {
          yield* suspend(row, call, tooManyDenials(row.denials, code, call.action))
        } else if (weight.refusal && row.refusals >= mostRefusals(most)) {
          yield* suspend(row, call, sameRefused(row.refusals, code, call.action))
        }
      },
      Effect.catchCause((cause) => Effect.logError("A failed call could not be counted", cause))
    )

    return Suspension.of({ count })
  })
)
