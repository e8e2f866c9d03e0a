import { claimsIn } from "../domain/ClientClaims.ts"
import { handshakeRevisions, mcpRevisions, statelessRevisions } from "../domain/McpRevision.ts"
import {
  type Asked,
  clip,
  type Era,
  ErrorCode,
  type Message,
  type MirroredHeaders,
  type Notice,
  type Refused,
  type Request,
  type RequestId
} from "./Protocol.ts"

/**
 * From a parsed body, and the headers that mirror it, to the one thing that is asked. Pure, and by
 * hand rather than by schema: which code, status and id a refusal carries depends on how far the
 * message could be read, and this stands in front of every call.
 *
 * The claim in the body, not a header, decides the era: a proxy that strips a header must not change
 * what a message means.
 */

type Json = Readonly<Record<string, unknown>>

const revisionKey = "io.modelcontextprotocol/protocolVersion"
const capabilitiesKey = "io.modelcontextprotocol/clientCapabilities"

const notice: Notice = { kind: "notice" }

/** Reads one body. Never throws. */
export const decode = (body: unknown, headers: MirroredHeaders): Message => {
  if (Array.isArray(body)) {
    // Only 2025-03-26 knew batches; one id could not answer for several writes.
    return refused(
      null,
      ErrorCode.invalidRequest,
      "Batches are not served: send each message in a request of its own."
    )
  }
  if (!isObject(body)) {
    return refused(null, ErrorCode.invalidRequest, "Expected a JSON-RPC 2.0 message: a JSON object.")
  }
  const { id, method, params } = body
  const echoed = isRequestId(id) ? id : null
  if (body.jsonrpc !== "2.0") {
    return refused(echoed, ErrorCode.invalidRequest, `Expected "jsonrpc": "2.0".`)
  }
  if (method === undefined && (Object.hasOwn(body, "result") || Object.hasOwn(body, "error"))) return notice
  if (typeof method !== "string") {
    return refused(echoed, ErrorCode.invalidRequest, "Expected the method's name as a string.")
  }
  if (params !== undefined && !isObject(params)) {
    return refused(echoed, ErrorCode.invalidRequest, "Expected params to be an object.")
  }
  if (id === undefined) return decodeNotification(method, params, headers)
  if (echoed === null) {
    return refused(
      null,
      ErrorCode.invalidRequest,
      "Expected the id to be a string or an integer that JSON keeps exactly."
    )
  }
  const meta = claimingMeta(params)
  return meta === undefined
    ? decodeHandshake(echoed, method, params, headers)
    : decodeStateless(echoed, method, params, meta, headers)
}

/** A request without a claim in `_meta`: 2025-03-26 to 2025-11-25. */
const decodeHandshake = (
  id: RequestId,
  method: string,
  params: Json | undefined,
  headers: MirroredHeaders
): Message => {
  const { revision } = headers
  if (revision !== undefined && isStateless(revision)) {
    return method === "initialize"
      ? mismatch(id, `initialize belongs to earlier revisions, but MCP-Protocol-Version names ${revision}`)
      : refused(
          id,
          ErrorCode.invalidParams,
          `MCP-Protocol-Version names ${revision}, whose requests need params._meta with ${revisionKey} and ${capabilitiesKey}.`
        )
  }
  // An absent header is taken for 2025-03-26, which did not have it (2025-06-18, basic/transports).
  if (revision !== undefined && !isHandshake(revision)) {
    return unsupported(id, revision, mcpRevisions)
  }
  switch (method) {
    case "initialize": {
      const wanted = params?.protocolVersion
      if (typeof wanted !== "string") {
        return inBand(id, ErrorCode.invalidParams, "initialize needs params.protocolVersion, a string.")
      }
      return request(id, "handshake", {
        method,
        revision: isHandshake(wanted) ? wanted : handshakeRevisions[0]
      })
    }
    case "ping":
      return request(id, "handshake", { method })
    default:
      return (
        decodeTools(id, "handshake", method, params) ??
        inBand(id, ErrorCode.methodNotFound, unknownMethod(method))
      )
  }
}

/**
 * A request that claims its revision itself: 2026-07-28. The checks stand in the SDK's order (its
 * inbound validation ladder), so that a message with several faults is answered alike: `_meta`,
 * what the headers say against it, the revision, headers that are missing, the method, its params.
 */
const decodeStateless = (
  id: RequestId,
  method: string,
  params: Json | undefined,
  meta: Json,
  headers: MirroredHeaders
): Message => {
  const claimed = meta[revisionKey]
  if (typeof claimed !== "string") {
    return refused(id, ErrorCode.invalidParams, `Expected params._meta["${revisionKey}"] to be a string.`)
  }
  if (!isObject(meta[capabilitiesKey])) {
    return refused(
      id,
      ErrorCode.invalidParams,
      `Expected params._meta["${capabilitiesKey}"] to be an object.`
    )
  }
  if (headers.revision !== undefined && headers.revision !== claimed) {
    return mismatch(id, `MCP-Protocol-Version names ${clip(headers.revision)}, the body ${clip(claimed)}`)
  }
  if (headers.method !== undefined && headers.method !== method) {
    return mismatch(id, `Mcp-Method names ${clip(headers.method)}, the body ${clip(method)}`)
  }
  if (!isStateless(claimed)) return unsupported(id, claimed, statelessRevisions)
  if (headers.revision === undefined) return mismatch(id, "MCP-Protocol-Version is missing")
  if (headers.method === undefined) return mismatch(id, "Mcp-Method is missing")
  if (method === "server/discover") return request(id, "stateless", { method })
  if (method === "tools/call" && typeof params?.name === "string") {
    if (headers.name === undefined) return mismatch(id, "Mcp-Name is missing")
    if (decodeHeaderValue(headers.name) !== params.name) {
      return mismatch(id, `Mcp-Name names ${clip(headers.name)}, the body ${clip(params.name)}`)
    }
  }
  return (
    decodeTools(id, "stateless", method, params) ??
    // The one 404 of this endpoint (basic/transports/streamable-http, "Protocol Version Header"): for a
    // method that nobody carries out, so nothing can be done twice on its account.
    refused(id, ErrorCode.methodNotFound, unknownMethod(method), { status: 404 })
  )
}

/** The methods that both eras share; undefined for any other. */
const decodeTools = (
  id: RequestId,
  era: Era,
  method: string,
  params: Json | undefined
): Message | undefined => {
  switch (method) {
    case "tools/list": {
      // The listing is one page, so that no cursor was ever handed out (server/utilities/pagination).
      const cursor = params?.cursor
      return cursor === undefined || cursor === null
        ? request(id, era, { method })
        : inBand(id, ErrorCode.invalidParams, "Invalid cursor: the listing of tools is one page.")
    }
    case "tools/call": {
      const name = params?.name
      const client = claimsIn(params?._meta)
      return typeof name === "string"
        ? request(id, era, {
            ...{ method, name, args: params?.arguments ?? {} },
            ...(client === undefined ? {} : { client })
          })
        : inBand(id, ErrorCode.invalidParams, "tools/call needs params.name, a string.")
    }
    default:
      return undefined
  }
}

/**
 * Nothing that a client may notify of changes what a stateless server does: a call is cancelled, where
 * it can be, by closing its connection. So it is accepted and dropped, unless it is not one at all.
 */
const decodeNotification = (method: string, params: Json | undefined, headers: MirroredHeaders): Message => {
  const claimed = claimingMeta(params)?.[revisionKey]
  if (claimed !== undefined && headers.revision !== undefined && headers.revision !== claimed) {
    return mismatch(null, `MCP-Protocol-Version names ${clip(headers.revision)}, the body another revision`)
  }
  const revision = claimed ?? headers.revision
  if (revision !== undefined && !isHandshake(revision) && !isStateless(revision)) {
    return unsupported(null, revision, mcpRevisions)
  }
  if (isStateless(revision) && headers.method !== undefined && headers.method !== method) {
    return mismatch(null, `Mcp-Method names ${clip(headers.method)}, the body ${clip(method)}`)
  }
  // A request that lost its id must not look as if it had been carried out.
  return method.startsWith("notifications/")
    ? notice
    : refused(null, ErrorCode.invalidRequest, `${clip(method)} is no notification: a request needs an id.`)
}

/** The `_meta` of a message that claims a revision itself, be it a well-formed one or not. */
const claimingMeta = (params: Json | undefined): Json | undefined => {
  const meta = params?._meta
  return isObject(meta) && meta[revisionKey] !== undefined ? meta : undefined
}

const encodedPrefix = "=?base64?"
const encodedSuffix = "?="

/** `Mcp-Name` may be base64 of UTF-8 between markers ("Value Encoding"); undefined where it is not well-formed. */
const decodeHeaderValue = (value: string): string | undefined => {
  if (!value.startsWith(encodedPrefix) || !value.endsWith(encodedSuffix)) return value
  const encoded = value.slice(encodedPrefix.length, -encodedSuffix.length)
  const bytes = Buffer.from(encoded, "base64")
  const text = bytes.toString("utf8")
  // Node's decoders skip what they can't read, so well-formed is what comes out as it went in.
  return bytes.toString("base64") === encoded && Buffer.from(text, "utf8").equals(bytes) ? text : undefined
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An id beyond 2⁵³ has already lost digits by the time it is read, so it could not be echoed. */
const isRequestId = (value: unknown): value is RequestId =>
  typeof value === "string" || Number.isSafeInteger(value)

const isHandshake = (revision: unknown): revision is (typeof handshakeRevisions)[number] =>
  (handshakeRevisions as ReadonlyArray<unknown>).includes(revision)

const isStateless = (revision: unknown): revision is (typeof statelessRevisions)[number] =>
  (statelessRevisions as ReadonlyArray<unknown>).includes(revision)

const request = (id: RequestId, era: Era, asked: Asked): Request => ({ kind: "request", id, era, asked })

const refused = (
  id: RequestId | null,
  code: ErrorCode,
  message: string,
  more: Partial<Pick<Refused, "status" | "data">> = {}
): Refused => ({ kind: "refused", status: 400, id, code, message, ...more })

/** An error that answers a request which was well-formed as such: HTTP carried it through. */
const inBand = (id: RequestId, code: ErrorCode, message: string): Refused =>
  refused(id, code, message, { status: 200 })

const mismatch = (id: RequestId | null, what: string): Refused =>
  refused(id, ErrorCode.headerMismatch, `Header mismatch: ${what}.`)

const unsupported = (id: RequestId | null, requested: unknown, supported: ReadonlyArray<string>): Refused =>
  refused(
    id,
    ErrorCode.unsupportedProtocolVersion,
    `Unsupported protocol version: ${clip(String(requested))}`,
    {
      data: { supported, requested: typeof requested === "string" ? clip(requested) : requested }
    }
  )

const unknownMethod = (method: string): string => `Method not found: ${clip(method)}`
