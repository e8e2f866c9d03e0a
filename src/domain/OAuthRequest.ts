import { createHash } from "node:crypto"
import { Result } from "effect"
import { canonicalJson } from "./CanonicalJson.ts"
import { type OAuthError, type OAuthRefused, oauthRefused } from "./OAuthFailure.ts"
import { allScopes, type Scope } from "./Scope.ts"

/** The parameters of a request, each at most once. */
export type Parameters = ReadonlyMap<string, string>

/** What a client asks for, once it is proven where to answer: everything that a consent is about. */
export interface AuthorizationRequest {
  readonly clientId: string
  readonly redirectUri: string
  /** Given back as it came. */
  readonly state: string | undefined
  /** SHA-256 of the verifier. */
  readonly challenge: Uint8Array
  /** In the order of `allScopes`. */
  readonly scopes: ReadonlyArray<Scope>
  readonly resource: string
}

/** The resources that tokens are good at: the MCP endpoint, and the gateway as a whole. */
export const resourcesOf = (publicUrl: string) => ({ endpoint: `${publicUrl}/mcp`, gateway: publicUrl })

/**
 * The resource that is meant (RFC 8707), in our own spelling; none where it is not ours. The MCP specification
 * has servers take scheme and host in either case and a slash at the end or none. Left out, it is the endpoint:
 * there is no other server that our tokens would be good at.
 */
export const resourceIn = (publicUrl: string, given: string | undefined): string | undefined => {
  const { endpoint, gateway } = resourcesOf(publicUrl)
  if (given === undefined) return endpoint
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(given) || /[?#\\@]/.test(given) || !URL.canParse(given))
    return undefined
  const spelled = (text: string) => new URL(text).href.replace(/\/$/, "")
  return [endpoint, gateway].find((resource) => spelled(resource) === spelled(given))
}

/** RFC 6749 section 3.3: scopes are parted by single spaces, their order says nothing. Those that are not ours are left out. */
export const scopesIn = (text: string): ReadonlyArray<Scope> => {
  const asked = new Set(text.split(" "))
  return allScopes.filter((scope) => asked.has(scope))
}

/** RFC 7636 section 4.2: base64url of SHA-256, without padding. */
const s256 = /^[A-Za-z0-9_-]{43}$/

/** What RFC 6749 appendix A.5 lets a state hold, and no more of it than fits beside a code. */
const stateForm = /^[\x20-\x7e]{0,2048}$/

/**
 * Reads the rest of a request whose client and redirect URI are good already: what is wrong here is told to
 * the client. PKCE with S256 is the only way (RFC 9700 section 2.1.1); `plain` and no challenge at all are refused.
 */
export const readRequest = (
  parameters: Parameters,
  proven: { readonly clientId: string; readonly redirectUri: string },
  publicUrl: string
): Result.Result<AuthorizationRequest, OAuthRefused> => {
  const refuse = (error: OAuthError, description: string) => Result.fail(oauthRefused(error, description))
  const get = (name: string) => parameters.get(name)
  if (get("request") !== undefined)
    return refuse("request_not_supported", "Request objects are not read: send plain parameters.")
  if (get("request_uri") !== undefined)
    return refuse("request_uri_not_supported", "Request objects are not fetched: send plain parameters.")
  if (get("response_type") === undefined)
    return refuse("invalid_request", "response_type is missing: send response_type=code.")
  if (get("response_type") !== "code")
    return refuse("unsupported_response_type", "Only response_type=code is supported.")
  if ((get("response_mode") ?? "query") !== "query")
    return refuse("invalid_request", "Only response_mode=query is supported.")
  const state = get("state")
  if (state !== undefined && !stateForm.test(state))
    return refuse(
      "invalid_request",
      "state is longer than 2048 characters or holds other than printable ASCII."
    )
  const challenge = get("code_challenge")
  if (challenge === undefined)
    return refuse("invalid_request", "code_challenge is missing: PKCE with S256 is required.")
  // RFC 7636 section 4.3: a method that is left out means plain.
  if (get("code_challenge_method") !== "S256")
    return refuse("invalid_request", "Only code_challenge_method=S256 is supported.")
  if (!s256.test(challenge))
    return refuse("invalid_request", "code_challenge is not 43 characters of base64url.")
  const resource = resourceIn(publicUrl, get("resource"))
  if (resource === undefined)
    return refuse("invalid_target", `resource is not ${resourcesOf(publicUrl).endpoint}.`)
  const asked = get("scope")
  const scopes = asked === undefined || asked === "" ? allScopes : scopesIn(asked)
  if (scopes.length === 0)
    return refuse("invalid_scope", `None of the scopes is one of ours: ${allScopes.join(" ")}.`)
  return Result.succeed({
    ...proven,
    state,
    challenge: Buffer.from(challenge, "base64url"),
    scopes,
    resource
  })
}

/** Stands for all of a request: a consent holds for this one and no other. */
export const requestHash = ({ challenge, ...rest }: AuthorizationRequest): Uint8Array =>
  createHash("sha256")
    .update(
      canonicalJson({ ...rest, state: rest.state ?? null, challenge: Buffer.from(challenge).toString("hex") })
    )
    .digest()

/** RFC 7636 section 4.1. */
export const isVerifier = (text: string): boolean => /^[A-Za-z0-9._~-]{43,128}$/.test(text)

/** RFC 7636 section 4.6. */
export const challengeOf = (verifier: string): Uint8Array => createHash("sha256").update(verifier).digest()
