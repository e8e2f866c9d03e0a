import type { IncomingMessage } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import { RequestRefused } from "../domain/Failure.ts"
import { CurrentRequest, type RequestFacts } from "../services/CurrentRequest.ts"
import { parseStrict } from "./StrictJson.ts"

/** The largest body that is read, in bytes: a card's description at its longest, several times over. */
export const maxBytes = 256 * 1024

/** How long a body may take to arrive, in milliseconds. Who is slower holds a socket and nothing else. */
export const deadline = 10_000

interface MediaType {
  readonly type: RegExp
  /** What is said to who sends another. */
  readonly named: string
}

/** RFC 8259 section 8.1: JSON between systems is UTF-8; a `charset` says nothing else, if it says anything. */
const json: MediaType = {
  type: /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i,
  named: "The body must be JSON in UTF-8: send Content-Type: application/json."
}

const form: MediaType = {
  type: /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i,
  named: "The body must be a form: send Content-Type: application/x-www-form-urlencoded."
}

/** The largest body of strangers, in bytes: forms and registrations of a login, and calls before it is known who calls. */
export const maxFormBytes = 16 * 1024

/** The largest body with a pairing code: a code, a name of 256 characters and a nonce, escaped as JSON can be. */
export const maxRedemptionBytes = 4 * 1024

const textOf = (
  { named, type }: MediaType,
  most: number
): Effect.Effect<string, RequestRefused, HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest, (request) => {
    const refusal = mediaType(
      request.headers["content-type"],
      request.headers["content-encoding"],
      type,
      named
    )
    if (refusal !== undefined) return Effect.fail(refusal)
    if (Number(request.headers["content-length"] ?? 0) > most) return Effect.fail(tooLarge(most))
    return Effect.flatMap(CurrentRequest, (facts) => readText(request, most, facts))
  })

export const jsonUpTo = (most: number): Effect.Effect<unknown, RequestRefused, HttpServerRequest> =>
  Effect.flatMap(textOf(json, most), (text) => {
    const parsed = parseStrict(text)
    return Result.isSuccess(parsed) ? Effect.succeed(parsed.success) : Effect.fail(malformed(parsed.failure))
  })

/** The request's body as one JSON value. */
export const readJson: Effect.Effect<unknown, RequestRefused, HttpServerRequest> = jsonUpTo(maxBytes)

/** The same of a stranger, who has less to say. */
export const readSmallJson: Effect.Effect<unknown, RequestRefused, HttpServerRequest> = jsonUpTo(maxFormBytes)

/**
 * Reads the JSON body of a call. A body longer than a stranger's may be is read only after `known` has succeeded,
 * unless the credential was good here lately.
 */
export const readJsonOf = <E, R>(
  known: Effect.Effect<unknown, E, R>
): Effect.Effect<unknown, RequestRefused | E, HttpServerRequest | R> =>
  Effect.gen(function* () {
    const { recognised } = yield* CurrentRequest
    const { headers } = yield* HttpServerRequest
    const isLong = Number(headers["content-length"] ?? Number.POSITIVE_INFINITY) > maxFormBytes
    if (isLong && !recognised) yield* known
    return yield* readJson
  })

/** The request's body as the fields of a form. */
export const readForm: Effect.Effect<URLSearchParams, RequestRefused, HttpServerRequest> = Effect.map(
  textOf(form, maxFormBytes),
  (text) => new URLSearchParams(text)
)

const mediaType = (
  type: string | undefined,
  encoding: string | undefined,
  wanted: RegExp,
  named: string
): RequestRefused | undefined => {
  if (type === undefined || !wanted.test(type))
    return new RequestRefused({ reason: "media_type", message: named })
  // Nothing is unpacked: a few kilobytes of gzip can hold gigabytes.
  return encoding === undefined || encoding.toLowerCase() === "identity"
    ? undefined
    : new RequestRefused({
        reason: "media_type",
        message: "The body must not be compressed: leave Content-Encoding out."
      })
}

const malformed = (message: string): RequestRefused => new RequestRefused({ reason: "malformed", message })

const tooLarge = (most: number): RequestRefused =>
  new RequestRefused({
    reason: "too_large",
    message: `The body is larger than ${most} bytes.`,
    details: { max_bytes: most }
  })

/** Leaves a leading byte order mark in, where JSON then stumbles over it (RFC 8259 section 8.1). */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array): Effect.Effect<string, RequestRefused> => {
  try {
    return Effect.succeed(utf8.decode(bytes))
  } catch {
    return Effect.fail(malformed("The body is not valid UTF-8."))
  }
}

/**
 * Reads by Node's own events. The stream is left alive when reading ends early, by size or by time,
 * since the socket still has to carry the reply; the server closes it afterwards.
 */
const readText = (
  request: HttpServerRequest,
  most: number,
  facts: RequestFacts
): Effect.Effect<string, RequestRefused> =>
  Effect.callback((resume) => {
    const source = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
    const response = NodeHttpServerRequest.toServerResponse(request)
    const chunks: Array<Buffer> = []
    let bytes = 0
    const settle = (result: Effect.Effect<string, RequestRefused>): void => {
      stop()
      resume(result)
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      facts.bodyBytes = bytes
      if (bytes > most) settle(Effect.fail(tooLarge(most)))
      else chunks.push(chunk)
    }
    const onEnd = (): void =>
      settle(decode(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
    const onCut = (): void => settle(Effect.fail(malformed("The body broke off before its end.")))
    const timer = setTimeout(() => {
      // Else the connection would wait for the rest of the body before it can serve anyone.
      if ("shouldKeepAlive" in response) response.shouldKeepAlive = false
      settle(Effect.fail(malformed(`The body did not arrive within ${deadline / 1000} seconds.`)))
    }, deadline)
    const stop = (): void => {
      clearTimeout(timer)
      source.off("data", onData).off("end", onEnd).off("error", onCut).off("close", onCut)
    }
    // RFC 9110 section 10.1.1: a client that asked first waits for a word before it sends.
    if (source.headers.expect !== undefined && "writeContinue" in response) response.writeContinue()
    source.on("data", onData).on("end", onEnd).on("error", onCut).on("close", onCut)
    return Effect.sync(stop)
  })
