import { Effect } from "effect"
import {
  type AuthFailure,
  type CallFailure,
  describe,
  type GatewayUnavailable,
  type LimitReached
} from "../domain/Failure.ts"
import { statelessRevisions } from "../domain/McpRevision.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"
import type { ToolResult, Tools } from "../tools/Tools.ts"
import { instructions, serverInfo } from "./instructions.ts"
import { clip, ErrorCode, type Message, type Refused, type Request } from "./Protocol.ts"

/** What goes back: a status, and a JSON body where there is one. */
export interface Reply {
  readonly status: number
  readonly body: string | null
}

/** Who asks, as the edge knows it before anyone looked the token up. */
export interface Exchange {
  readonly token: Token
  readonly requestId: string
  /** Looks the token up and counts a read of its agent; a token that is dead goes on record under this action. */
  authenticate(action: string): Effect.Effect<Principal, AuthFailure | LimitReached | GatewayUnavailable>
}

/** What the trail calls a use of the endpoint that is no known method's. */
export const anyUse = "mcp"

/**
 * Answers one message on the fiber of its request. Fails only with what HTTP answers itself: who calls
 * is not known (401), has asked too often (429), or could not be found out (503). A token is looked up exactly once, before
 * anything is said: by the pipeline for a call of a tool, here for all else.
 */
export const makeResponder =
  (tools: Tools["Service"]) =>
  (
    exchange: Exchange,
    message: Message
  ): Effect.Effect<Reply, AuthFailure | LimitReached | GatewayUnavailable> => {
    if (
      message.kind === "request" &&
      message.asked.method === "tools/call" &&
      tools.names.has(message.asked.name)
    ) {
      const { method: _, ...called } = message.asked
      const { requestId, token } = exchange
      return Effect.matchEffect(tools.call({ ...called, token, via: "mcp", requestId }), {
        onSuccess: (result) => Effect.succeed(callResult(message, result)),
        onFailure: (failure) =>
          failure.kind === "auth" ? Effect.fail(failure) : Effect.succeed(callFailure(message, failure))
      })
    }
    const action = message.kind === "request" ? message.asked.method : anyUse
    return Effect.map(exchange.authenticate(action), (principal) => replyTo(message, principal, tools))
  }

const replyTo = (message: Message, principal: Principal, tools: Tools["Service"]): Reply => {
  if (message.kind === "notice") return accepted
  if (message.kind === "refused") return refusal(message)
  const { asked } = message
  switch (asked.method) {
    case "tools/call":
      return refusal(unknownTool(message, asked.name))
    case "tools/list":
      return result(message, { tools: tools.list(principal), ...notCached(message) })
    case "initialize":
      return result(message, { protocolVersion: asked.revision, capabilities, serverInfo, instructions })
    case "server/discover":
      return result(message, {
        supportedVersions: statelessRevisions,
        capabilities,
        instructions,
        ...notCached(message)
      })
    case "ping":
      return result(message, {})
  }
}

/** Tools and nothing else; no `listChanged`, since a stateless server has nowhere to send it. */
const capabilities = { tools: {} } as const

const accepted: Reply = { status: 202, body: null }

/** From 2026-07-28 on every result says its type and who gives it (basic/index, "ResultType", "Per-response protocol fields"). */
const stamp = { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": serverInfo } } as const
const stampText = `${JSON.stringify(stamp).slice(1, -1)},`

/**
 * 2026-07-28 wants a hint how long a listing holds (server/utilities/caching). None: what an agent is
 * shown is what its grants allow at this moment, and another agent's listing is another.
 */
const notCached = (request: Request) =>
  request.era === "stateless" ? { ttlMs: 0, cacheScope: "private" } : {}

const result = (request: Request, fields: Readonly<Record<string, unknown>>): Reply =>
  ok(request, JSON.stringify(request.era === "stateless" ? { ...stamp, ...fields } : fields))

const ok = (request: Request, resultText: string): Reply => ({
  status: 200,
  body: `{"jsonrpc":"2.0","id":${JSON.stringify(request.id)},"result":${resultText}}`
})

/** The content is written to text once, and stands in the reply as it is and as a string. */
const callResult = (request: Request, { structured }: ToolResult): Reply => {
  const text = JSON.stringify(structured)
  return ok(request, `{${stampOf(request)}${contentOf(text)},"structuredContent":${text}}`)
}

/** No `structuredContent`: the SDK's v1 client throws away a result that does not match `outputSchema`. */
const callFailure = (request: Request, failure: CallFailure): Reply => {
  const text = JSON.stringify({ error: describe(failure) })
  return ok(request, `{${stampOf(request)}${contentOf(text)},"isError":true}`)
}

const stampOf = (request: Request): string => (request.era === "stateless" ? stampText : "")

const contentOf = (text: string): string => `"content":[{"type":"text","text":${JSON.stringify(text)}}]`

/** A JSON-RPC error as the reply to a message that is not carried out. */
export const refusal = ({ status, id, code, message, data }: Refused): Reply => ({
  status,
  body: JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: { code, message, ...(data === undefined ? {} : { data }) }
  })
})

/** server/tools, "Error Handling": a protocol error, for no argument of the call could fix it. */
const unknownTool = (request: Request, name: string): Refused => ({
  kind: "refused",
  status: 200,
  id: request.id,
  code: ErrorCode.invalidParams,
  message: `Unknown tool: ${clip(name)}`
})

/** A bug of ours. What it was stands in the log under the request's id, and nowhere else. */
export const defectReply = (id: Refused["id"], requestId: string): Reply => ({
  status: 500,
  body: JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: {
      code: ErrorCode.internalError,
      message: `Internal error. Its cause is in the gateway's log under request ${requestId}.`,
      data: { request_id: requestId }
    }
  })
})
