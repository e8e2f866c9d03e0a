import { Data, Effect, Result } from "effect"
import type { GatewayUnavailable } from "../../domain/Failure.ts"
import type { OAuthClient } from "../../domain/OAuthClient.ts"
import type { OAuthRefused } from "../../domain/OAuthFailure.ts"
import { isRegistered, mayRedirectTo, withParameters } from "../../domain/OAuthRedirect.ts"
import { type AuthorizationRequest, type Parameters, readRequest } from "../../domain/OAuthRequest.ts"
import type { OAuthClients } from "../../services/OAuthClients.ts"
import type { FailureKind } from "../pages/models.ts"
import { issuerOf } from "./metadata.ts"

/** The login can't go on, and it is not proven, or no use, to send the browser anywhere: a page says so. */
export class Halted extends Data.TaggedError("Halted")<{
  readonly kind: FailureKind
  readonly redirectUri?: string | undefined
  readonly retryAfterSeconds?: number | undefined
}> {}

/** The client is told, by way of the browser, at an address that is proven to be its own. */
export class SentBack extends Data.TaggedError("SentBack")<{
  readonly location: string
  readonly cookie?: string
}> {}

/** A request that may be shown to a person. */
export interface Asked {
  readonly client: OAuthClient
  readonly request: AuthorizationRequest
}

/** The issuer goes with every answer, refusals included, so that none is taken for another server's (RFC 9207). */
export const answerTo = (
  { redirectUri, state }: Pick<AuthorizationRequest, "redirectUri" | "state">,
  publicUrl: string,
  answer: Readonly<Record<string, string>>
): string => withParameters(redirectUri, { ...answer, state, iss: issuerOf(publicUrl) })

export const refusalTo = (
  to: Pick<AuthorizationRequest, "redirectUri" | "state">,
  publicUrl: string,
  { description, error }: Pick<OAuthRefused, "description" | "error">
): SentBack => new SentBack({ location: answerTo(to, publicUrl, { error, error_description: description }) })

/**
 * Looks at an authorization request in the order of what may be trusted: the client, then where to answer it, both
 * told on a page when they are not right (RFC 6749 section 3.1.2.4: never by a redirect); then the rest, told to
 * the client. Done anew for every step, since nothing is kept of a request before a pairing code was typed.
 */
export const makeProve =
  (clients: OAuthClients["Service"], redirectHosts: ReadonlyArray<string>, publicUrl: string) =>
  (
    parameters: Parameters | undefined,
    address: string
  ): Effect.Effect<Asked, Halted | SentBack | GatewayUnavailable> =>
    Effect.gen(function* () {
      if (parameters === undefined) return yield* new Halted({ kind: "request_malformed" })
      const id = parameters.get("client_id")
      if (id === undefined) return yield* new Halted({ kind: "client_unknown" })
      const client = yield* Effect.catchTag(clients.find(id, address), "ClientRefused", ({ reason }) =>
        Effect.fail(new Halted({ kind: reason === "unknown" ? "client_unknown" : "client_unreadable" }))
      )
      const redirectUri = parameters.get("redirect_uri")
      // Looked at anew: what was registered once may not be allowed any more.
      if (
        redirectUri === undefined ||
        !mayRedirectTo(redirectUri, redirectHosts) ||
        !isRegistered(redirectUri, client.redirectUris)
      ) {
        return yield* new Halted({ kind: "redirect_refused", redirectUri })
      }
      const request = readRequest(parameters, { clientId: client.id, redirectUri }, publicUrl)
      return Result.isSuccess(request)
        ? { client, request: request.success }
        : yield* refusalTo({ redirectUri, state: parameters.get("state") }, publicUrl, request.failure)
    })
