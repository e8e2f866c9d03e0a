import { randomUUIDv7 } from "node:crypto"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { holdsSecret } from "../domain/Token.ts"

/** One id for each request: in its reply, its log lines, its audit events and its calls to Tasker. */

export const header = "x-request-id"

const sane = /^[A-Za-z0-9._:-]{1,64}$/

/** The caller's own id where it is sane and holds no secret, else a new UUIDv7. */
export const choose = (sent: string | undefined): string =>
  sent !== undefined && sane.test(sent) && !holdsSecret(sent) ? sent : randomUUIDv7()

/** Kept by the transport's own request, since one request goes through several views of it. */
const chosen = new WeakMap<object, string>()

/** The request's id, the same however often it is asked. */
export const requestId = (request: HttpServerRequest): string => {
  const known = chosen.get(request.source)
  if (known !== undefined) return known
  const id = choose(request.headers[header])
  chosen.set(request.source, id)
  return id
}
