import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { type Reply, type Sent, send } from "./served.ts"

/** Calls of tools over either of the gateway's doors, and what they came to, said alike for both. */

export const doors = ["mcp", "rest"] as const
export type Door = (typeof doors)[number]

/** What a tool's call came to. */
export interface Outcome {
  /** HTTP's: over MCP a tool's failure is a 200. */
  readonly status: number
  /** The structured content of a success. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly content: any
  /** `<kind>.<reason>` of a failure. */
  readonly code: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly error: any
  readonly requestId: string
  readonly reply: Reply
}

let messages = 0

/** One JSON-RPC request of the 2025 era, as Codex sends it. */
export const post = (token: string | undefined, method: string, params: object = {}, sent: Sent = {}) =>
  send("/mcp", {
    token,
    body: { jsonrpc: "2.0", id: ++messages, method, params },
    ...sent,
    headers: {
      accept: "text/event-stream, application/json",
      "mcp-protocol-version": "2025-06-18",
      ...sent.headers
    }
  })

const overMcp = (reply: Reply): Omit<Outcome, "requestId" | "reply"> => {
  const { status, json } = reply
  const failed = (error: { kind: string; reason: string }) => ({
    status,
    content: undefined,
    code: `${error.kind}.${error.reason}`,
    error
  })
  if (json?.result === undefined)
    return { status, content: undefined, code: json?.code ?? `rpc.${json?.error?.code}`, error: json }
  return json.result.isError === true
    ? failed(JSON.parse(json.result.content[0].text).error)
    : { status, content: json.result.structuredContent, code: undefined, error: undefined }
}

const overRest = ({ status, json }: Reply): Omit<Outcome, "requestId" | "reply"> =>
  status === 200
    ? { status, content: json, code: undefined, error: undefined }
    : { status, content: undefined, code: json?.code, error: json }

/** Calls a tool through either door, under a request id of its own. */
export const call = Effect.fnUntraced(function* (
  via: Door,
  token: string | undefined,
  name: string,
  args: unknown,
  headers: Readonly<Record<string, string>> = {}
) {
  const requestId = randomUUID()
  const all = { ...headers, "x-request-id": requestId }
  const reply =
    via === "mcp"
      ? yield* post(token, "tools/call", { name, arguments: args }, { headers: all })
      : yield* send(`/api/v1/tools/${name}`, { token, body: JSON.stringify(args), headers: all })
  return { ...(via === "mcp" ? overMcp(reply) : overRest(reply)), requestId, reply } satisfies Outcome
})
