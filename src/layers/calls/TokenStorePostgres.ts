import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { Settings } from "../../Config.ts"
import { AuthFailure, type LimitReached } from "../../domain/Failure.ts"
import type { Principal } from "../../domain/Principal.ts"
import { rateReached } from "../../domain/Rate.ts"
import { kindOf, type Token } from "../../domain/Token.ts"
import { CurrentRequest } from "../../services/CurrentRequest.ts"
import { type Caller, TokenStore } from "../../services/TokenStore.ts"
import { repeatable, storage } from "../database/storage.ts"
import {
  CallerRow,
  type Counting,
  callerStatement,
  countingOf,
  isOverRate,
  keyHolderOf
} from "./callerSql.ts"
import { RateGate } from "./RateGate.ts"

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(CallerRow))

const reconnect = "Ask the agent's owner for a new token; nothing was changed."

const logIn = "Log in again, with Codex by `codex mcp login`; nothing was changed."

/** Whether a token found in the database may be used. The reason is the first that applies, in this order. */
export const judge = (row: CallerRow): Effect.Effect<Caller, AuthFailure> => {
  const principal: Principal = { agent: row.agent, token: row.token, grants: row.grants }
  const refuse = (reason: AuthFailure["reason"], message: string) =>
    Effect.fail(new AuthFailure({ reason, message, holder: principal }))
  const isLogin = row.token.kind === "oauth"
  if (row.revoked) {
    return refuse(
      "revoked",
      isLogin ? `This login was ended. ${logIn}` : `This agent token was revoked. ${reconnect}`
    )
  }
  if (row.expired) {
    return refuse(
      "expired",
      isLogin
        ? `This access token has expired. Refresh it; where that is refused too: ${logIn}`
        : `This agent token has expired. ${reconnect}`
    )
  }
  if (row.agent.status === "disabled") {
    return refuse(
      "agent_disabled",
      row.agent.disabled_reason === null
        ? "This agent is disabled. Its owner can enable it again; nothing was changed."
        : `This agent was disabled by a rule: ${row.agent.disabled_reason}. Its owner can enable it again; nothing was changed. Stop and tell a person.`
    )
  }
  return Effect.map(CurrentRequest, (facts) => {
    facts.agentId = principal.agent.id
    return { principal, operation: keyHolderOf(row) }
  })
}

/** Fails if a call that was counted is one more than its agent has in this minute. */
export const withinRate = (
  { agent, rate, token }: CallerRow,
  counting: Counting | undefined
): Effect.Effect<void, LimitReached> =>
  rate === null || counting === undefined || !isOverRate(rate, counting)
    ? Effect.void
    : Effect.fail(
        rateReached(rate.class, counting.limits[rate.class], Math.ceil(rate.resets_in_millis / 1000), {
          agent,
          token,
          grants: []
        })
      )

export const unknownToken = (token: Token): AuthFailure =>
  new AuthFailure({
    reason: "unknown",
    message:
      kindOf(token) === "access" ? `No such access token. ${logIn}` : `No such agent token. ${reconnect}`
  })

/** Every call waits for these methods, which therefore have no spans of their own: the statement has one. */
export const layer = Layer.effect(
  TokenStore,
  Effect.gen(function* () {
    const sql = yield* PgClient

    const settings = yield* Settings
    const gate = yield* RateGate

    const find = Effect.fnUntraced(function* (token: Token, counting?: Counting, key?: string) {
      const { idempotencyRetention: retention, longestGrant } = settings
      const asked = { token, key, counting, retention, longestGrant }
      const [row] = yield* gate.pass(
        asked,
        storage(repeatable(callerStatement(sql, asked)).pipe(Effect.flatMap(decodeRows))),
        ([first]) => first
      )
      return row === undefined ? yield* unknownToken(token) : row
    })

    const authenticate: TokenStore["Service"]["authenticate"] = (token, key) =>
      Effect.flatMap(find(token, undefined, key), judge).pipe(
        // Only what is counted has a limit.
        Effect.catchTag("LimitReached", Effect.die)
      )

    const admit: TokenStore["Service"]["admit"] = Effect.fnUntraced(function* (token, counts, key) {
      const counting = countingOf(settings, counts)
      const row = yield* find(token, counting, key)
      const caller = yield* judge(row)
      yield* withinRate(row, counting)
      return caller
    })

    return TokenStore.of({ authenticate, admit })
  })
).pipe(Layer.provide(RateGate.layer))
