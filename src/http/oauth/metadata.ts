import { resourcesOf } from "../../domain/OAuthRequest.ts"
import { allScopes } from "../../domain/Scope.ts"

/**
 * What a client reads before it asks for a login. The issuer is the public URL to the letter: it is compared as
 * text (RFC 9207 section 2.4), so its spelling must never change while logins are under way.
 */
export const issuerOf = (publicUrl: string): string => publicUrl

/** RFC 8414, with the fields of RFC 9207, RFC 9728 section 4 and the draft on client ID metadata documents. */
export const serverMetadata = (publicUrl: string, readsDocuments: boolean) => ({
  issuer: issuerOf(publicUrl),
  authorization_endpoint: `${publicUrl}/oauth/authorize`,
  token_endpoint: `${publicUrl}/oauth/token`,
  registration_endpoint: `${publicUrl}/oauth/register`,
  revocation_endpoint: `${publicUrl}/oauth/revoke`,
  scopes_supported: allScopes,
  response_types_supported: ["code"],
  response_modes_supported: ["query"],
  grant_types_supported: ["authorization_code", "refresh_token"],
  token_endpoint_auth_methods_supported: ["none"],
  revocation_endpoint_auth_methods_supported: ["none"],
  code_challenge_methods_supported: ["S256"],
  authorization_response_iss_parameter_supported: true,
  client_id_metadata_document_supported: readsDocuments,
  ui_locales_supported: ["en", "ru"],
  protected_resources: Object.values(resourcesOf(publicUrl)),
  service_documentation: `${publicUrl}/docs`
})

/** RFC 9728: `resource` is what the address of this document was made of (section 3.3). */
export const resourceMetadata = (publicUrl: string, resource: string) => ({
  resource,
  authorization_servers: [issuerOf(publicUrl)],
  scopes_supported: allScopes,
  bearer_methods_supported: ["header"],
  resource_name: "NODE.DC Tasker",
  resource_documentation: `${publicUrl}/docs`
})

const resourceDocument = "/.well-known/oauth-protected-resource"

/** Where the metadata stands (RFC 8414 section 3, RFC 9728 section 3.1), from the root of the gateway. */
export const paths = {
  server: "/.well-known/oauth-authorization-server",
  gateway: resourceDocument,
  endpoint: `${resourceDocument}/mcp`
} as const

/** What a 401 names besides its error: where to read on (RFC 9728 section 5.1) and what to ask for (RFC 6750 section 3). */
export const challengeParameters = (publicUrl: string): string =>
  `resource_metadata="${publicUrl}${paths.endpoint}", scope="${allScopes.join(" ")}"`
