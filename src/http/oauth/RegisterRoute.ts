import { Effect, Predicate, Result, Schema } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import { Settings } from "../../Config.ts"
import { longestClientName } from "../../domain/OAuthClient.ts"
import { type OAuthError, oauthRefused } from "../../domain/OAuthFailure.ts"
import { mayRedirectTo } from "../../domain/OAuthRedirect.ts"
import { holdsSecret } from "../../domain/Token.ts"
import { OAuthClients } from "../../services/OAuthClients.ts"
import { stripControls } from "../../text/PlainText.ts"
import { readSmallJson } from "../Body.ts"
import { CurrentClient } from "../ClientAddress.ts"
import { Hosts } from "../Hosts.ts"
import { requestId } from "../RequestId.ts"
import { refusal } from "./replies.ts"

/** What is looked at of a registration; the rest is left out of the answer, as RFC 7591 section 2 has it. */
const Metadata = Schema.Struct({
  redirect_uris: Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(10)),
  client_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  token_endpoint_auth_method: Schema.optionalKey(Schema.NullOr(Schema.String)),
  grant_types: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  response_types: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  application_type: Schema.optionalKey(Schema.NullOr(Schema.String))
})
const decode = Schema.decodeUnknownResult(Metadata)

/**
 * Dynamic client registration (RFC 7591), open to all: it gives nothing but a name under which to ask. A client is
 * public whatever it says (section 3.2.1 lets a server answer with what it will have instead), and is refused only
 * where it could not work: one that insists on a secret or on another flow.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const clients = yield* OAuthClients
    const { redirectHosts } = yield* Settings

    const register = Effect.fnUntraced(function* (request: HttpServerRequest) {
      yield* hosts.check(request)
      const body = yield* Effect.mapError(readSmallJson, ({ message }) => invalid(message))
      const read = decode(body)
      if (Result.isFailure(read)) return yield* misread(body)
      const asked = read.success
      const method = asked.token_endpoint_auth_method ?? "none"
      if (method !== "none")
        return yield* invalid("token_endpoint_auth_method must be none: clients are public.")
      if (!(asked.grant_types ?? ["authorization_code"]).includes("authorization_code"))
        return yield* invalid("grant_types must hold authorization_code.")
      if (!(asked.response_types ?? ["code"]).includes("code"))
        return yield* invalid("response_types must hold code.")
      // Editors register the address of their website, or a scheme of their own, beside a loopback one: what a code
      // may not be sent to is left out of the registration (RFC 7591 section 3.2.1), and so never answered at.
      const redirectUris = [...new Set(asked.redirect_uris)].filter((uri) =>
        mayRedirectTo(uri, redirectHosts)
      )
      if (redirectUris.length === 0)
        return yield* oauthRefused(
          "invalid_redirect_uri",
          "A redirect URI must be http at 127.0.0.1, [::1] or localhost, or https at a host in OAUTH_REDIRECT_HOSTS, without userinfo, fragment and percent-encoding."
        )
      const name = nameIn(asked.client_name)
      if (name !== null && holdsSecret(name)) return yield* invalid("client_name holds a secret.")
      const { client, issuedAt } = yield* clients.register({
        name,
        redirectUris,
        address: yield* CurrentClient
      })
      return Response.jsonUnsafe(
        {
          client_id: client.id,
          client_id_issued_at: Math.floor(issuedAt.getTime() / 1000),
          ...(client.name === null ? {} : { client_name: client.name }),
          redirect_uris: client.redirectUris,
          token_endpoint_auth_method: "none",
          grant_types: ["authorization_code", "refresh_token"],
          response_types: ["code"],
          application_type: asked.application_type === "web" ? "web" : "native"
        },
        { status: 201 }
      )
    })

    yield* router.add("POST", "/oauth/register", (request) =>
      Effect.catch(register(request), (failure) => Effect.succeed(refusal(failure, requestId(request))))
    )
  })
)

const invalid = (description: string, error: OAuthError = "invalid_client_metadata") =>
  oauthRefused(error, description)

const misread = (body: unknown) =>
  Predicate.isObject(body) && !Array.isArray(body) && !("redirect_uris" in body)
    ? invalid("redirect_uris is missing.", "invalid_redirect_uri")
    : invalid("This is no client metadata: redirect_uris must be an array of 1 to 10 strings.")

/** The name as the pages can show it: they make harmless what is in it. */
const nameIn = (name: string | null | undefined): string | null => {
  const shown = [...stripControls(name ?? "").trim()].slice(0, longestClientName).join("")
  return shown === "" ? null : shown
}
