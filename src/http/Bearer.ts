import { createHash, timingSafeEqual } from "node:crypto"
import { Effect, Option, Redacted } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { AuthFailure } from "../domain/Failure.ts"
import { parse, parseAny, type Token } from "../domain/Token.ts"

/**
 * `Authorization: Bearer …` (RFC 6750 section 2.1; neither a form field nor a query parameter is
 * looked at, since both end up in logs). Several headers arrive joined by a comma, which no token
 * holds, and are thereby refused.
 */

const bearer = /^bearer +([\x21-\x7e]+)$/i

const credential = (
  request: HttpServerRequest,
  expected: string
): Effect.Effect<Redacted.Redacted<string>, AuthFailure> => {
  const header = request.headers.authorization
  if (header === undefined || header === "") {
    return Effect.fail(
      new AuthFailure({
        reason: "missing",
        message: `No credential came along: send Authorization: Bearer <${expected}>.`
      })
    )
  }
  const value = bearer.exec(header)?.[1]
  return value === undefined
    ? Effect.fail(
        malformed(
          `The Authorization header is not one Bearer credential: send Authorization: Bearer <${expected}>, once.`
        )
      )
    : Effect.succeed(Redacted.make(value))
}

const malformed = (message: string): AuthFailure => new AuthFailure({ reason: "malformed", message })

/** The agent token that came along. What can't be one is refused here, without a look at the database. */
export const agentToken = (request: HttpServerRequest): Effect.Effect<Token, AuthFailure> =>
  Effect.flatMap(credential(request, "agent token"), (value) =>
    Option.match(parse(Redacted.value(value)), {
      onNone: () =>
        Effect.fail(
          malformed(
            Option.isSome(parseAny(Redacted.value(value)))
              ? "This is a refresh token: it opens nothing here. Exchange it at /oauth/token and send the access token."
              : "This is not an agent token: one starts with ndcat_ (of a login: ndcao_) and goes on with 49 letters and digits, of which the last six are a checksum. Check that it was copied whole."
          )
        ),
      onSome: Effect.succeed
    })
  )

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/**
 * Passes for one of the gateway's internal tokens and nothing else. Digests are compared, in constant time,
 * so that neither a token's length nor how much of it was guessed shows.
 */
export const internalToken = (
  request: HttpServerRequest,
  accepted: ReadonlyArray<Redacted.Redacted<string>>
): Effect.Effect<void, AuthFailure> =>
  Effect.flatMap(credential(request, "internal token"), (value) => {
    const presented = digest(Redacted.value(value))
    const matches = accepted.filter((token) => timingSafeEqual(digest(Redacted.value(token)), presented))
    return matches.length > 0
      ? Effect.void
      : Effect.fail(
          new AuthFailure({
            reason: "unknown",
            message:
              "This is not the gateway's internal token: send the value of NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN. Agent tokens do not open this API."
          })
        )
  })
