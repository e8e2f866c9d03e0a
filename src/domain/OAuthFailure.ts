import { Schema } from "effect"

/**
 * Why a client's request was refused, in the words of its RFC: the authorization endpoint (RFC 6749 section
 * 4.1.2.1), the token endpoint (section 5.2), revocation (RFC 7009 section 2.2.1), registration (RFC 7591 section
 * 3.2.2) and resource indicators (RFC 8707 section 2). Spoken by `http/oauth` alone, as a JSON object or as
 * parameters of a redirect, never as a problem document: clients of OAuth read nothing else.
 */
export class OAuthRefused extends Schema.TaggedError<OAuthRefused>()("OAuthRefused", {
  error: Schema.Literals([
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "invalid_scope",
    "invalid_target",
    "access_denied",
    "request_not_supported",
    "request_uri_not_supported",
    "invalid_redirect_uri",
    "invalid_client_metadata"
  ]),
  /** For the client's developer. ASCII without `"` and `\` (RFC 6749 section 5.2). */
  description: Schema.String
}) {}
export type OAuthError = OAuthRefused["error"]

export const oauthRefused = (error: OAuthError, description: string): OAuthRefused =>
  new OAuthRefused({ error, description })

/** Who asks is not known, or what it says of itself can't be read. Shown on a page, never sent anywhere. */
export class ClientRefused extends Schema.TaggedError<ClientRefused>()("ClientRefused", {
  reason: Schema.Literals(["unknown", "unreadable"]),
  /** For the log. */
  because: Schema.String
}) {}

/** A consent that was given or refused already, or not in time. */
export class ConsentGone extends Schema.TaggedError<ConsentGone>()("ConsentGone", {}) {}
