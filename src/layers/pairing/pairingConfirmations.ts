import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import { auditEntry } from "../../domain/AuditEvent.ts"
import { mostFailed } from "../../domain/PairingCode.ts"
import { Agent } from "../../domain/Principal.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { Pairing } from "../../services/Pairing.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { agentJson } from "../registry/principalJson.ts"
import { items } from "../registry/registrySql.ts"
import { isPending } from "./pairingSql.ts"

const asFailed = items(Schema.Struct({ agent: Agent, locked_now: Schema.Boolean }))

/** Counts the steps on a known code that failed their proof, and locks it at the fifth. */
export const pairingConfirmations =
  (sql: PgClient, audit: AuditLog["Service"]): Pairing["Service"]["confirmationFailed"] =>
  (id, what, requestId) =>
    transaction(
      sql,
      Effect.gen(function* () {
        const [failed] = yield* asFailed(sql`
            with failed as (
              update pairing_codes p set
                failed_confirmations = least(p.failed_confirmations + 1, ${mostFailed}::integer),
                locked_at = case
                  when p.failed_confirmations + 1 >= ${mostFailed}::integer and ${isPending(sql)} then now()
                  else p.locked_at
                end
              where p.id = ${id}::uuid
              returning p.agent_id, p.locked_at
            )
            select json_build_object(
              'agent', ${agentJson(sql)}, 'locked_now', coalesce(failed.locked_at = now(), false)
            ) as item
            from failed join agents a on a.id = failed.agent_id`)
        if (failed === undefined) return
        const about = { agent: failed.agent, request_id: requestId, via: "rest" } as const
        yield* audit.record(
          auditEntry({ ...about, action: "pairing_code.confirmed", outcome: "denied", reason: what })
        )
        if (failed.locked_now) {
          yield* audit.record(auditEntry({ ...about, action: "pairing_code.locked", outcome: "executed" }))
        }
      })
    )
      .pipe(tellingLost("Repeat the same request."))
      .pipe(Effect.withSpan("Pairing.confirmationFailed"))
