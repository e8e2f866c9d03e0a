import { randomUUIDv7 } from "node:crypto"
import { holdsSecret } from "../domain/Token.ts"

/** One id for each request: in its reply, its log lines, its audit events and its calls to Tasker. */

export const header = "x-request-id"

const sane = /^[A-Za-z0-9._:-]{1,64}$/

/** The caller's own id where it is sane and holds no secret, else a new UUIDv7. */
export const choose = (sent: string | undefined): string =>
  sent !== undefined && sane.test(sent) && !holdsSecret(sent) ? sent : randomUUIDv7()

/** Kept by the transport's own request, since one request goes through several views of it. */
const chosen = new WeakMap<object, string>()

/** A request as Effect's server shows it, or as its transport's own does. */
interface Identified {
  readonly source: object
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/** The request's id, the same however often it is asked. */
export const requestId = (request: Identified): string => {
  const known = chosen.get(request.source)
  if (known !== undefined) return known
  const sent = request.headers[header]
  const id = choose(typeof sent === "string" ? sent : undefined)
  chosen.set(request.source, id)
  return id
}
