import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { AuthFailure, type GatewayUnavailable } from "../domain/Failure.ts"
import type { Principal } from "../domain/Principal.ts"
import { hash } from "../domain/Token.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { type Caller, TokenStore } from "../services/TokenStore.ts"
import { CallerRow, callerRow } from "./callerSql.ts"
import { repeatable, storage } from "./storage.ts"

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(CallerRow))

const reconnect = "Ask the agent's owner for a new token; nothing was changed."

/** Whether a token found in the database may be used. The reason is the first that applies, in this order. */
export const judge = (row: CallerRow): Effect.Effect<Caller, AuthFailure> => {
  const principal: Principal = { agent: row.agent, token: row.token, grants: row.grants }
  const refuse = (reason: AuthFailure["reason"], message: string) =>
    Effect.fail(new AuthFailure({ reason, message, holder: principal }))
  if (row.revoked) return refuse("revoked", `This agent token was revoked. ${reconnect}`)
  if (row.expired) return refuse("expired", `This agent token has expired. ${reconnect}`)
  if (row.agent.status === "disabled") {
    return refuse(
      "agent_disabled",
      "This agent is disabled. Its owner can enable it again; nothing was changed."
    )
  }
  return Effect.map(CurrentRequest, (facts) => {
    facts.agentId = principal.agent.id
    return { principal, operation: row.operation ?? undefined }
  })
}

export const unknownToken = (): AuthFailure =>
  new AuthFailure({ reason: "unknown", message: `No such agent token. ${reconnect}` })

/** Every call waits for `authenticate`, which therefore has no span of its own: the statement has one. */
export const layer = Layer.effect(
  TokenStore,
  Effect.gen(function* () {
    const sql = yield* PgClient

    const authenticate = Effect.fnUntraced(function* (
      token: Parameters<TokenStore["Service"]["authenticate"]>[0],
      idempotencyKey?: string
    ): Effect.fn.Return<Caller, AuthFailure | GatewayUnavailable> {
      const rows = yield* storage(
        repeatable(callerRow(sql, hash(token), idempotencyKey)).pipe(Effect.flatMap(decodeRows))
      )
      const [row] = rows
      return yield* row === undefined ? Effect.fail(unknownToken()) : judge(row)
    })

    return TokenStore.of({ authenticate })
  })
)
