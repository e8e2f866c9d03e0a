import type { ClientClaims } from "../domain/ClientClaims.ts"
import { holdsSecret } from "../domain/Token.ts"

/**
 * The words of MCP that a stateless server with tools alone has to know, over Streamable HTTP.
 *
 * Two eras share the endpoint (2026-07-28, basic/versioning). Up to 2025-11-25 a client shakes hands
 * by `initialize`; no session is minted here, so every request stands by itself all the same. From
 * 2026-07-28 on each request names its revision in `_meta`.
 */

export type Era = "handshake" | "stateless"

/** JSON-RPC 2.0 section 5.1; from -32020 on 2026-07-28, basic/index "Error Codes". */
export const ErrorCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  headerMismatch: -32020,
  unsupportedProtocolVersion: -32022
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** A string or an integer, never null (basic/index "Requests"). */
export type RequestId = string | number

/** The headers that repeat what the body says, as they came. */
export interface MirroredHeaders {
  /** `MCP-Protocol-Version` */
  readonly revision: string | undefined
  /** `Mcp-Method` */
  readonly method: string | undefined
  /** `Mcp-Name` */
  readonly name: string | undefined
}

/** What one message asks for. */
export type Asked =
  | { readonly method: "initialize"; readonly revision: string }
  | { readonly method: "ping" }
  | { readonly method: "server/discover" }
  | { readonly method: "tools/list" }
  | {
      readonly method: "tools/call"
      readonly name: string
      readonly args: unknown
      /** Left out where the client says nothing of itself. */
      readonly client?: ClientClaims
    }

export interface Request {
  readonly kind: "request"
  readonly id: RequestId
  readonly era: Era
  readonly asked: Asked
}

/** Nothing is asked: a notification, or a client's response to a request that was never sent. */
export interface Notice {
  readonly kind: "notice"
}

/** A message that is answered with an error whoever sent it. */
export interface Refused {
  readonly kind: "refused"
  readonly status: 200 | 400 | 404 | 406
  readonly id: RequestId | null
  readonly code: ErrorCode
  readonly message: string
  readonly data?: Readonly<Record<string, unknown>>
}

export type Message = Request | Notice | Refused

/** What a client wrote is repeated to it, but not by the hundred kilobytes, and not where it holds a token. */
export const clip = (text: string): string => {
  if (holdsSecret(text)) return "[secret]"
  return text.length <= 128 ? text : `${text.slice(0, 128)}…`
}
