import { Option, Schema } from "effect"
import type { OAuthClient } from "./OAuthClient.ts"
import { mayRedirectTo } from "./OAuthRedirect.ts"

/**
 * Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client id that is the HTTPS
 * address of a document in which the client says who it is.
 */

/** No port but the usual one unless it is named, nothing that two parsers read differently, no query. */
const form = /^https:\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)(:[1-9]\d{0,4})?(\/[A-Za-z0-9._~!$&'()*+,;=:-]+)+$/

const longest = 512

/** The host of a client id, with its port where it names one; undefined where it is no such address. */
export const documentHost = (id: string): string | undefined => {
  const match = id.length > longest ? null : form.exec(id)
  const isDotted = id.split("/").some((segment) => segment === "." || segment === "..")
  return match === null || isDotted ? undefined : `${match[1]}${match[2] ?? ""}`
}

/** The hosts whose documents are read. A name without a dot, such as `none`, is no host of the public net. */
export const documentHosts = (hosts: ReadonlyArray<string>): ReadonlyArray<string> =>
  hosts.filter((host) => host.includes("."))

/** What else stands in it is not looked at. */
const Document = Schema.Struct({
  client_id: Schema.String,
  client_name: Schema.optionalKey(Schema.String),
  redirect_uris: Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(50)),
  /** Public clients only: a document can hold no secret, and keys are not read. */
  token_endpoint_auth_method: Schema.optionalKey(Schema.Literal("none")),
  client_secret: Schema.optionalKey(Schema.Never),
  client_secret_expires_at: Schema.optionalKey(Schema.Never)
})
const decode = Schema.decodeUnknownOption(Document)

/**
 * The client that a document describes, where it is this client's: it must say its own address, to the letter.
 * Of its redirect URIs those that a code may not be sent to are left out.
 */
export const clientIn = (
  document: unknown,
  id: string,
  redirectHosts: ReadonlyArray<string>
): Option.Option<OAuthClient> =>
  Option.flatMap(decode(document), ({ client_id, client_name, redirect_uris }) => {
    const redirectUris = redirect_uris.filter((uri) => mayRedirectTo(uri, redirectHosts))
    return client_id !== id || redirectUris.length === 0
      ? Option.none()
      : Option.some({
          id,
          name: client_name ?? null,
          redirectUris,
          vouchedBy: documentHost(id) ?? null,
          address: null
        })
  })
