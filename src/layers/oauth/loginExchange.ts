import { timingSafeEqual } from "node:crypto"
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Result, Schema } from "effect"
import { hash } from "../../domain/OAuthCode.ts"
import { oauthRefused } from "../../domain/OAuthFailure.ts"
import { challengeOf } from "../../domain/OAuthRequest.ts"
import { PairingCodeId } from "../../domain/PairingCode.ts"
import type { Logins as LoginsService } from "../../services/Logins.ts"
import type { Pairing } from "../../services/Pairing.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { LoginRow, type Logins } from "./loginSql.ts"

type Exchange = LoginsService["Service"]["exchange"]

const Row = Schema.Struct({
  ...LoginRow.fields,
  pairing_id: PairingCodeId,
  redirect_uri: Schema.String,
  challenge: Schema.Uint8Array,
  resource: Schema.String,
  used: Schema.Boolean,
  voided: Schema.Boolean,
  lapsed: Schema.Boolean
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/**
 * An authorization code for the first secrets of its login (RFC 6749 section 4.1.3). The code's row is locked:
 * of two that bring one code the second finds it used, and that ends what the first was given. A refusal that
 * changes something is committed, and answered after that.
 */
export const loginExchange = (sql: PgClient, logins: Logins, pairing: Pairing["Service"]): Exchange =>
  Effect.fn("Logins.exchange")(function* ({ clientId, code, redirectUri, requestId, resource, verifier }) {
    const found = sql`
      select ${logins.columns}, c.pairing_id::text as pairing_id, c.redirect_uri, c.challenge, c.resource,
        c.used_at is not null as used, c.voided_at is not null as voided, c.expires_at <= now() as lapsed
      from oauth_codes c
      join tokens t on t.id = c.token_id
      join agents a on a.id = t.agent_id
      where c.hash = ${hash(code)}
      for no key update of c`

    /** The step whose proof does not fit, if any: what PKCE, the client and its address each stand for. */
    const unproven = (row: typeof Row.Type): string | undefined => {
      if (row.client_id !== clientId) return "oauth.wrong_client"
      if (row.redirect_uri !== redirectUri) return "oauth.wrong_redirect_uri"
      const given = challengeOf(verifier)
      return given.length === row.challenge.length && timingSafeEqual(given, row.challenge)
        ? undefined
        : "oauth.wrong_verifier"
    }

    const outcome = yield* transaction(
      sql,
      Effect.gen(function* () {
        const [row] = yield* Effect.flatMap(found, decodeRows)
        if (row === undefined) return refused("The code is unknown, or was given too long ago.")
        if (row.used) {
          yield* logins.record(row, "oauth.code_reused", requestId, "denied", "oauth.invalid_grant")
          yield* logins.end(row, requestId)
          return refused("The code was used before: what came of it has been revoked.")
        }
        if (row.voided || row.lapsed) return refused("The code is not good any more.")
        const wrong = unproven(row)
        if (wrong !== undefined) {
          yield* sql`update oauth_codes set voided_at = now() where hash = ${hash(code)}`
          yield* logins.end(row, requestId)
          yield* pairing.confirmationFailed(row.pairing_id, wrong, requestId)
          return refused("The code was not given to this client, for this address, under this verifier.")
        }
        if (resource !== undefined && resource !== row.resource)
          return Result.fail(oauthRefused("invalid_target", "The code was given for another resource."))
        if (row.revoked || row.ended || row.disabled) return refused("The login was ended meanwhile.")
        yield* sql`update oauth_codes set used_at = now() where hash = ${hash(code)}`
        const issued = yield* logins.issue(row, 1, undefined)
        yield* logins.record(row, "oauth.login", requestId)
        return Result.succeed(issued)
      })
    ).pipe(tellingLost("Log in again."))
    return yield* Effect.fromResult(outcome)
  })

const refused = (description: string) => Result.fail(oauthRefused("invalid_grant", description))
