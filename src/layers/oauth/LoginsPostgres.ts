import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Settings } from "../../Config.ts"
import { oauthRefused } from "../../domain/OAuthFailure.ts"
import { hash } from "../../domain/Token.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { Logins } from "../../services/Logins.ts"
import { Pairing } from "../../services/Pairing.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { loginExchange } from "./loginExchange.ts"
import { loginRefresh } from "./loginRefresh.ts"
import { LoginRow, makeLogins } from "./loginSql.ts"

const decodeLogins = Schema.decodeUnknownEffect(Schema.Array(LoginRow))

export const layer = Layer.effect(
  Logins,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const logins = makeLogins(sql, random, yield* AuditLog, yield* Settings)

    const revoke: Logins["Service"]["revoke"] = Effect.fn("Logins.revoke")(function* ({
      clientId,
      requestId,
      token
    }) {
      const outcome = yield* transaction(
        sql,
        Effect.gen(function* () {
          const [login] = yield* Effect.flatMap(
            sql`
                  select ${logins.columns}
                  from tokens t
                  join agents a on a.id = t.agent_id
                  where t.id = (select token_id from oauth_secrets where hash = ${hash(token)})
                  for no key update of t`,
            decodeLogins
          )
          if (login === undefined) return Result.void
          if (clientId !== undefined && clientId !== login.client_id)
            return Result.fail(oauthRefused("invalid_grant", "The token was given to another client."))
          yield* logins.end(login, requestId)
          return Result.void
        })
      ).pipe(tellingLost("Send the same request again."))
      return yield* Effect.fromResult(outcome)
    })

    return Logins.of({
      exchange: loginExchange(sql, logins, yield* Pairing),
      refresh: loginRefresh(sql, random, logins),
      revoke
    })
  })
)
