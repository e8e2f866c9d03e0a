import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Response from "effect/http/HttpServerResponse"
import { type GatewayUnavailable, LimitReached, RequestRefused } from "../../domain/Failure.ts"
import type { OAuthRefused } from "../../domain/OAuthFailure.ts"
import { headersOf, problem, statusOf } from "../Problem.ts"

/** What the endpoints of clients fail with: said in OAuth's words, but for what never reached them. */
export type EndpointFailure = OAuthRefused | RequestRefused | LimitReached | GatewayUnavailable

/** RFC 6749 section 5.2: the characters that a description may hold. */
const plain = (text: string): string => text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")

/**
 * A failure as clients of OAuth read it (RFC 6749 section 5.2, RFC 7591 section 3.2.2). For what those RFCs have
 * no word for at these endpoints, `temporarily_unavailable` of section 4.1.2.1 stands, with the status that says
 * more. A `Host` or `Origin` that may not be here is told as everywhere else.
 */
export const refusal = (failure: EndpointFailure, requestId: string): HttpServerResponse => {
  if (failure instanceof RequestRefused) return problem(failure, requestId)
  if (failure._tag === "OAuthRefused") {
    const isClient = failure.error === "invalid_client"
    return Response.jsonUnsafe(
      { error: failure.error, error_description: plain(failure.description) },
      isClient
        ? { status: 401, headers: { "www-authenticate": 'Basic realm="tasker-codex-api"' } }
        : { status: 400 }
    )
  }
  return Response.jsonUnsafe(
    { error: "temporarily_unavailable", error_description: plain(failure.message) },
    { status: failure instanceof LimitReached ? 429 : statusOf(failure), headers: headersOf(failure) }
  )
}
