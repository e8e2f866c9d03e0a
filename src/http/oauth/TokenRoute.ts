import { Effect, Option, Redacted } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import { parse as parseCode } from "../../domain/OAuthCode.ts"
import { oauthRefused } from "../../domain/OAuthFailure.ts"
import { isVerifier, type Parameters, resourceIn, scopesIn } from "../../domain/OAuthRequest.ts"
import { kindOf, parseAny } from "../../domain/Token.ts"
import { type Issued, Logins } from "../../services/Logins.ts"
import { Addresses } from "../Addresses.ts"
import { Hosts } from "../Hosts.ts"
import { requestId } from "../RequestId.ts"
import { readParameters, required } from "./parameters.ts"
import { refusal } from "./replies.ts"

/**
 * The token and revocation endpoints (RFC 6749 section 3.2, RFC 7009). Clients are public: what proves a request
 * is the code's verifier or the token itself. Pages of other origins may not ask here, and no secret is taken from
 * a query, since only the body is read.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const logins = yield* Logins
    const { publicUrl } = yield* Addresses

    /** The resource that is named, in our own spelling (RFC 8707 section 2.2). */
    const resource = (parameters: Parameters) => {
      const given = parameters.get("resource")
      if (given === undefined) return Effect.succeed(undefined)
      const found = resourceIn(publicUrl, given)
      return found === undefined
        ? Effect.fail(oauthRefused("invalid_target", `resource is not ${publicUrl}/mcp.`))
        : Effect.succeed(found)
    }

    const byCode = Effect.fnUntraced(function* (parameters: Parameters, id: string) {
      const code = parseCode(yield* required(parameters, "code"))
      const clientId = yield* required(parameters, "client_id")
      const redirectUri = yield* required(parameters, "redirect_uri")
      const verifier = yield* required(parameters, "code_verifier")
      if (!isVerifier(verifier)) {
        return yield* oauthRefused("invalid_request", "code_verifier is not 43 to 128 unreserved characters.")
      }
      const named = yield* resource(parameters)
      if (Option.isNone(code)) return yield* oauthRefused("invalid_grant", "This is no code of ours.")
      const request = { code: code.value, clientId, redirectUri, verifier, resource: named, requestId: id }
      return yield* logins.exchange(request)
    })

    const byRefreshToken = Effect.fnUntraced(function* (parameters: Parameters, id: string) {
      const token = parseAny(yield* required(parameters, "refresh_token"))
      const clientId = yield* required(parameters, "client_id")
      yield* resource(parameters)
      const scopes = yield* narrowing(parameters.get("scope"))
      if (Option.isNone(token))
        return yield* oauthRefused("invalid_grant", "This is no refresh token of ours.")
      return yield* logins.refresh({ token: token.value, clientId, scopes, requestId: id })
    })

    const token = Effect.fnUntraced(function* (request: HttpServerRequest) {
      yield* hosts.check(request)
      const parameters = yield* readParameters
      yield* withoutSecret(request, parameters)
      switch (yield* required(parameters, "grant_type")) {
        case "authorization_code":
          return tokenReply(yield* byCode(parameters, requestId(request)))
        case "refresh_token":
          return tokenReply(yield* byRefreshToken(parameters, requestId(request)))
        default:
          return yield* oauthRefused(
            "unsupported_grant_type",
            "Only authorization_code and refresh_token are supported."
          )
      }
    })

    const revoke = Effect.fnUntraced(function* (request: HttpServerRequest) {
      yield* hosts.check(request)
      const parameters = yield* readParameters
      yield* withoutSecret(request, parameters)
      const given = parseAny(yield* required(parameters, "token"))
      // An agent token is none of a login: to say 200 would be to say that it is dead.
      if (Option.exists(given, (token) => kindOf(token) === "agent")) {
        return yield* oauthRefused(
          "unsupported_token_type",
          "An agent token is revoked by its owner in Tasker, not here."
        )
      }
      // RFC 7009 section 2.2: a token that is none of ours is as good as revoked.
      if (Option.isSome(given)) {
        yield* logins.revoke({
          token: given.value,
          clientId: parameters.get("client_id"),
          requestId: requestId(request)
        })
      }
      return Response.empty({ status: 200 })
    })

    // What is begun is finished also where the client leaves: it may have been carried out all the same.
    yield* router.add("POST", "/oauth/token", (request) =>
      Effect.catch(Effect.uninterruptible(token(request)), (failure) =>
        Effect.succeed(refusal(failure, requestId(request)))
      )
    )
    yield* router.add("POST", "/oauth/revoke", (request) =>
      Effect.catch(Effect.uninterruptible(revoke(request)), (failure) =>
        Effect.succeed(refusal(failure, requestId(request)))
      )
    )
  })
)

/** RFC 6749 section 5.1. */
const tokenReply = ({ access, expiresInSeconds, refresh, scopes }: Issued) =>
  Response.jsonUnsafe(
    {
      access_token: Redacted.value(access),
      token_type: "Bearer",
      expires_in: expiresInSeconds,
      refresh_token: Redacted.value(refresh),
      scope: scopes.join(" ")
    },
    { headers: { pragma: "no-cache" } }
  )

/** No client of ours has a secret: one that sends one takes us for another server (RFC 6749 section 2.3.1). */
const withoutSecret = (request: HttpServerRequest, parameters: Parameters) =>
  request.headers.authorization !== undefined ||
  parameters.has("client_secret") ||
  parameters.has("client_assertion")
    ? Effect.fail(oauthRefused("invalid_client", "Clients are public here: send client_id and no secret."))
    : Effect.void

/** RFC 6749 section 6: a scope that is none of ours was not given either. */
const narrowing = (scope: string | undefined) => {
  if (scope === undefined) return Effect.succeed(undefined)
  const known = scopesIn(scope)
  return known.length === new Set(scope.split(" ")).size
    ? Effect.succeed(known)
    : Effect.fail(oauthRefused("invalid_scope", "The login has not all of these scopes."))
}
