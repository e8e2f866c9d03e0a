import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Option, Result, Schema } from "effect"
import type { SecureRandom } from "effect/crypto"
import { oauthRefused } from "../../domain/OAuthFailure.ts"
import type { Scope } from "../../domain/Scope.ts"
import { hash, kindOf, type Token } from "../../domain/Token.ts"
import type { Issued, Logins as LoginsService } from "../../services/Logins.ts"
import { tellingLost, transaction } from "../database/transaction.ts"
import { ivLength } from "../sealedText.ts"
import { LoginRow, type Logins } from "./loginSql.ts"
import { sealAnswer, unsealAnswer } from "./sealedAnswer.ts"

type Refresh = LoginsService["Service"]["refresh"]

const decodeLogins = Schema.decodeUnknownEffect(Schema.Array(LoginRow))

const Secret = Schema.Struct({
  state: Schema.Literals(["live", "previous", "superseded", "void"]),
  turn: Schema.Int,
  expired: Schema.Boolean,
  /** Whether it was exchanged after this request began: both were under way at once. */
  overtaken: Schema.Boolean,
  sealed_answer: Schema.NullOr(Schema.Uint8Array)
})
type Secret = typeof Secret.Type
const decodeSecrets = Schema.decodeUnknownEffect(Schema.Array(Secret))
const decodeTurns = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ turn: Schema.Int })))

/**
 * Rotation (RFC 9700 section 4.14.2). The login's row is locked, so that of several requests each finds what the
 * one before it left. What is refused and changes something is committed, and answered after that.
 *
 *   live        → previous; a new turn is live; the one that was previous is superseded
 *   previous    → stays so; the live turn is void, a new one is live
 *   superseded  → the login ends
 *   void        → the login ends
 */
export const loginRefresh = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  logins: Logins
): Refresh => {
  const found = (token: Token) =>
    Effect.gen(function* () {
      const [login] = yield* Effect.flatMap(
        sql`
          select ${logins.columns}
          from tokens t
          join agents a on a.id = t.agent_id
          where t.id = (select token_id from oauth_secrets where hash = ${hash(token)} and kind = 'refresh')
          for no key update of t`,
        decodeLogins
      )
      const [secret] = yield* Effect.flatMap(
        sql`
          select state, turn, expires_at <= now() as expired, coalesce(exchanged_at > now(), false) as overtaken,
            sealed_answer
          from oauth_secrets where hash = ${hash(token)}`,
        decodeSecrets
      )
      return login === undefined || secret === undefined ? undefined : { login, secret }
    })

  /** What of the login can't be used any more, as the trail calls it. */
  const deadBy = (login: LoginRow, { expired }: Secret): string | undefined => {
    if (login.revoked) return "auth.revoked"
    if (login.ended || expired) return "auth.expired"
    return login.disabled ? "auth.agent_disabled" : undefined
  }

  const supersede = ({ id }: LoginRow) => sql`
    update oauth_secrets set state = 'superseded', sealed_answer = null
    where token_id = ${id}::uuid and kind = 'refresh' and state = 'previous'`

  /** Takes the newest turn back, access token included, and says which it was. */
  const takeBack = ({ id }: LoginRow) =>
    Effect.flatMap(
      sql`
        update oauth_secrets set state = 'void', sealed_answer = null
        where token_id = ${id}::uuid and turn = (
          select turn from oauth_secrets where token_id = ${id}::uuid and kind = 'refresh' and state = 'live'
        )
        returning turn`,
      decodeTurns
    )

  const exchanged = Effect.fnUntraced(function* (
    token: Token,
    login: LoginRow,
    issued: Issued,
    asked: ReadonlyArray<Scope> | null
  ) {
    const sealed = sealAnswer({ ...issued, asked }, token, login.id, yield* random.randomBytes(ivLength))
    yield* sql`
      update oauth_secrets set exchanged_at = clock_timestamp(), sealed_answer = ${sealed}
      where hash = ${hash(token)}`
  })

  return Effect.fn("Logins.refresh")(function* ({ clientId, requestId, scopes, token }) {
    if (kindOf(token) !== "refresh") return yield* Effect.fromResult(refused("This is no refresh token."))
    const outcome = yield* transaction(
      sql,
      Effect.gen(function* () {
        const known = yield* found(token)
        if (known === undefined) return refused("The refresh token is unknown.")
        const { login, secret } = known
        const denied = (reason: string) =>
          logins.record(login, "oauth.refreshed", requestId, "denied", reason)
        if (login.client_id !== clientId) {
          yield* denied("oauth.wrong_client")
          return refused("The refresh token was given to another client.")
        }
        const dead = deadBy(login, secret)
        if (!login.revoked && (secret.state === "superseded" || secret.state === "void")) {
          yield* logins.record(login, "oauth.refresh_reused", requestId, "denied", "oauth.invalid_grant")
          yield* logins.end(login, requestId)
          return refused("The refresh token was used before: the login has been ended.")
        }
        if (dead !== undefined) {
          yield* denied(dead)
          return refused("The login has ended, or its agent is disabled.")
        }
        const narrowed =
          scopes === undefined ? undefined : login.scopes.filter((scope) => scopes.includes(scope))
        if (narrowed !== undefined && narrowed.length !== scopes?.length)
          return Result.fail(oauthRefused("invalid_scope", "The login has not all of these scopes."))
        const asked = narrowed ?? null
        if (secret.state === "previous") {
          const same = sameAnswer(secret, token, login, asked)
          if (Option.isSome(same)) return Result.succeed(same.value)
        }
        let newest = secret.turn
        if (secret.state === "live") {
          yield* supersede(login)
          yield* sql`update oauth_secrets set state = 'previous' where hash = ${hash(token)}`
        } else {
          for (const { turn } of yield* takeBack(login)) newest = turn
        }
        const issued = yield* logins.issue(login, newest + 1, narrowed)
        yield* exchanged(token, login, issued, asked)
        return Result.succeed(issued)
      })
    ).pipe(tellingLost("Send the same refresh token again."))
    return yield* Effect.fromResult(outcome)
  })
}

/** What was answered to a request that was under way at the same time and asked for the same. */
const sameAnswer = (
  { overtaken, sealed_answer }: Secret,
  token: Token,
  login: LoginRow,
  asked: ReadonlyArray<Scope> | null
): Option.Option<Issued> =>
  overtaken && sealed_answer !== null
    ? Option.filter(
        unsealAnswer(sealed_answer, token, login.id),
        (answer) => String(answer.asked) === String(asked)
      )
    : Option.none()

const refused = (description: string) => Result.fail(oauthRefused("invalid_grant", description))
