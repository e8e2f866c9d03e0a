import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Response from "effect/http/HttpServerResponse"
import {
  AuthFailure,
  codeOf,
  DuplicateRefused,
  type Failure,
  GatewayUnavailable,
  GrantDenied,
  IdempotencyRefused,
  InputInvalid,
  LimitReached,
  PairingRefused,
  RequestRefused,
  TaskerFailure
} from "../domain/Failure.ts"
import { rateHeaders } from "./rateHeaders.ts"

/**
 * The one place where failures become HTTP: problem documents (RFC 9457) outside of `/mcp`, and the
 * status and headers that `/mcp` shares with them.
 */

type CodeOf<F> = F extends {
  readonly kind: infer Kind extends string
  readonly reason: infer Reason extends string
}
  ? `${Kind}.${Reason}`
  : never

/** `<kind>.<reason>` of every failure there is, and of a defect. */
export type Code = CodeOf<Failure> | "gateway.internal"

interface Kind {
  readonly status: number
  /** The same for every occurrence (RFC 9457 section 3.1.3). */
  readonly title: string
}

const kind = (status: number, title: string): Kind => ({ status, title })

/** Every code with its status. A new failure without a row here does not compile. */
export const problems: Readonly<Record<Code, Kind>> = {
  "auth.missing": kind(401, "A bearer token is required"),
  "auth.malformed": kind(401, "The bearer token is malformed"),
  "auth.unknown": kind(401, "The bearer token is unknown"),
  "auth.expired": kind(401, "The agent token has expired"),
  "auth.revoked": kind(401, "The agent token was revoked"),
  "auth.agent_disabled": kind(401, "The agent is disabled"),
  "request.malformed": kind(400, "The request can't be read"),
  "request.not_found": kind(404, "There is nothing here"),
  "request.method": kind(405, "The method is not allowed here"),
  "request.too_large": kind(413, "The request is too large"),
  "request.media_type": kind(415, "The media type is not accepted"),
  "request.origin": kind(403, "The Origin is not allowed"),
  "request.host": kind(403, "The Host is not allowed"),
  "request.address": kind(403, "The address is not allowed"),
  "request.conflict": kind(409, "The request conflicts with an existing resource"),
  "grant.no_grant": kind(403, "The project is not granted"),
  "grant.scope_missing": kind(403, "The grant lacks the scope"),
  "grant.grant_expired": kind(403, "The grant has expired"),
  "grant.wrong_project": kind(403, "The card belongs to another project"),
  "grant.owner_not_member": kind(403, "The owner is not a member of the project"),
  "input.invalid": kind(422, "The input is invalid"),
  "input.unknown_reference": kind(422, "The input names something that does not exist"),
  "input.would_lose_content": kind(422, "The change would lose content"),
  "input.holds_secret": kind(422, "The input holds a secret"),
  "idempotency.key_missing": kind(400, "An idempotency key is required"),
  "idempotency.key_reused": kind(422, "The idempotency key stands for something else"),
  "idempotency.in_progress": kind(409, "The same call is still under way"),
  "idempotency.key_expired": kind(410, "The idempotency key has expired"),
  "idempotency.already_created": kind(409, "It was created already"),
  "duplicate.possible_duplicate": kind(409, "The same card was made just now"),
  "limit.rate": kind(429, "Too many calls"),
  "limit.quota": kind(429, "The quota is used up"),
  "pairing.unknown": kind(404, "No such pairing code"),
  "pairing.used": kind(409, "The pairing code was used already"),
  "pairing.expired": kind(410, "The pairing code has expired"),
  "pairing.cancelled": kind(410, "The pairing code was cancelled"),
  "pairing.locked": kind(410, "The pairing code is locked"),
  "pairing.agent_disabled": kind(409, "The agent is disabled"),
  "pairing.too_many": kind(409, "Too many pairing codes are pending"),
  "tasker.unavailable": kind(503, "Tasker can't be reached"),
  "tasker.timeout": kind(504, "Tasker did not answer in time"),
  "tasker.rejected": kind(422, "Tasker refused the request"),
  "tasker.not_found": kind(404, "Tasker has no such thing"),
  "tasker.conflict": kind(409, "The card has changed meanwhile"),
  "tasker.rate_limited": kind(503, "Tasker is rate-limiting the gateway"),
  "tasker.unauthorized": kind(502, "Tasker refused the gateway"),
  "tasker.contract": kind(502, "Tasker's answer is not what was agreed"),
  "tasker.unsupported": kind(501, "This Tasker lacks the call"),
  "tasker.outcome_unknown": kind(504, "It is not known whether the change was made"),
  "gateway.unavailable": kind(503, "The gateway can't serve just now"),
  "gateway.internal": kind(500, "The gateway failed")
}

/**
 * `type` of a problem: a tag URI (RFC 4151), which RFC 9457 section 3.1.1 suggests for types that
 * are names rather than addresses, so that it is the same on every installation. `/docs#<code>` is
 * where a code is explained.
 */
export const typeOf = (code: Code): string => `tag:nodedc.ru,2026:tasker-codex-api:${code}`

export const statusOf = (failure: Failure): number => problems[codeOf(failure) as Code].status

/** A day, in seconds. Some waits are Tasker's to name, and a client may obey whatever it is told. */
const longestRetryAfter = 86_400

/** What goes beside the body of a failed reply: how to authenticate, when to come back, what is allowed. */
export const headersOf = (failure: Failure): Readonly<Record<string, string>> => {
  if (failure.kind === "auth") return { "www-authenticate": challenge(failure.reason) }
  if (failure.kind === "request" && failure.reason === "method") {
    const { allow } = failure.details
    return Array.isArray(allow) ? { allow: allow.join(", ") } : {}
  }
  const { retry_after_seconds: seconds } = failure.details
  return {
    ...(typeof seconds === "number" && !Number.isNaN(seconds)
      ? { "retry-after": String(Math.min(longestRetryAfter, Math.max(1, Math.ceil(seconds)))) }
      : {}),
    ...(failure.kind === "limit" && failure.reason === "rate" ? rateHeaders(failure) : {})
  }
}

/** RFC 6750 section 3: no error code where no credential came along. */
const challenge = (reason: string): string =>
  reason === "missing"
    ? 'Bearer realm="tasker-codex-api"'
    : `Bearer realm="tasker-codex-api", error="invalid_token", error_description="${problems[`auth.${reason}` as Code].title}"`

const document = (
  code: Code,
  detail: string,
  requestId: string,
  extensions: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>>
): HttpServerResponse => {
  const { status, title } = problems[code]
  const members = { type: typeOf(code), title, status, detail, code, request_id: requestId }
  return Response.jsonUnsafe(
    { ...members, ...extensions, ...members },
    { status, contentType: "application/problem+json", headers }
  )
}

/** A failure as a problem document: its message is `detail`, its details are members beside it. */
export const problem = (failure: Failure, requestId: string): HttpServerResponse =>
  document(
    codeOf(failure) as Code,
    failure.message,
    requestId,
    { retryable: failure.retryable, ...failure.details },
    headersOf(failure)
  )

/** A defect as a problem document: nothing of its cause is shown. */
export const internal = (requestId: string): HttpServerResponse =>
  document(
    "gateway.internal",
    "The gateway failed on this request. It is logged under the request id; the same request may succeed later.",
    requestId,
    { retryable: false },
    {}
  )

/** Whether something that failed is one of our failures, rather than a defect. */
export const isFailure = (error: unknown): error is Failure =>
  failures.some((failure) => error instanceof failure)

const failures = [
  AuthFailure,
  DuplicateRefused,
  GatewayUnavailable,
  GrantDenied,
  IdempotencyRefused,
  InputInvalid,
  LimitReached,
  PairingRefused,
  RequestRefused,
  TaskerFailure
]
