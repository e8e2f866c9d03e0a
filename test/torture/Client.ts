import { Agent, request } from "node:http"

/** What came back of a call of a tool: a reply, or nothing that could be read. */
export type Outcome =
  | {
      readonly _tag: "Replied"
      readonly status: number
      /** `<kind>.<reason>` of a failure; null for a success. */
      readonly code: string | null
      readonly retryable: boolean
      /** Seconds after which it says that the call may be repeated. */
      readonly retryAfter: number | undefined
      readonly content: Readonly<Record<string, unknown>> | null
    }
  | { readonly _tag: "Lost"; readonly why: string }

/** By which way a tool is called. */
export const edges = ["rest", "rest_header", "mcp_2025", "mcp_2026"] as const
export type Edge = (typeof edges)[number]

export interface ToolCall {
  readonly id: string
  readonly port: number
  readonly edge: Edge
  readonly token: string
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** Milliseconds after which the reply is given up. */
  readonly patience: number
}

const agents = new Map<number, Agent>()
const agentOf = (port: number): Agent => {
  const known = agents.get(port)
  if (known !== undefined) return known
  const made = new Agent({ keepAlive: true, maxSockets: 256 })
  agents.set(port, made)
  return made
}

export const callTool = async (call: ToolCall): Promise<Outcome> => {
  const { body, headers, path } = messages[call.edge](call)
  const exchanged = await exchange(
    call.port,
    "POST",
    path,
    { ...headers, ...credentials(call) },
    body,
    call.patience
  )
  if ("lost" in exchanged) return { _tag: "Lost", why: exchanged.lost }
  return call.edge.startsWith("mcp") && exchanged.status === 200
    ? ofMcp(exchanged.json)
    : ofHttp(exchanged.status, exchanged.json)
}

const credentials = ({ id, token }: Pick<ToolCall, "id" | "token">) => ({
  authorization: `Bearer ${token}`,
  "x-request-id": id
})

type Message = {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

const toolPath = (tool: string) => `/api/v1/tools/${tool}`

const mcp = (
  version: string,
  tool: string,
  params: object,
  headers: Record<string, string> = {}
): Message => ({
  path: "/mcp",
  headers: {
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": version,
    ...headers
  },
  body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, ...params } }
})

const messages: Readonly<Record<Edge, (call: ToolCall) => Message>> = {
  rest: ({ args, tool }) => ({ path: toolPath(tool), headers: {}, body: args }),
  rest_header: ({ args, tool }) => {
    const { idempotency_key, ...rest } = args
    return {
      path: toolPath(tool),
      headers: typeof idempotency_key === "string" ? { "idempotency-key": idempotency_key } : {},
      body: rest
    }
  },
  mcp_2025: ({ args, tool }) => mcp("2025-06-18", tool, { arguments: args }),
  mcp_2026: ({ args, tool }) =>
    mcp(
      "2026-07-28",
      tool,
      {
        arguments: args,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {}
        }
      },
      { "mcp-method": "tools/call", "mcp-name": tool }
    )
}

type Json = Readonly<Record<string, unknown>>

const objectIn = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null ? (value as Json) : undefined

const ofHttp = (status: number, json: Json | undefined): Outcome => {
  if (status === 200 && json !== undefined) return success(json)
  const code = typeof json?.code === "string" ? json.code : `http.${status}`
  return { _tag: "Replied", status, code, ...retrying(json), content: null }
}

const ofMcp = (json: Json | undefined): Outcome => {
  const result = objectIn(json?.result)
  if (result === undefined) {
    const code = objectIn(json?.error)?.code
    return { _tag: "Replied", status: 200, code: `rpc.${code}`, ...retrying(undefined), content: null }
  }
  if (result.isError !== true) {
    const content = objectIn(result.structuredContent)
    return content === undefined ? { _tag: "Lost", why: "no structuredContent" } : success(content)
  }
  const [first] = result.content as ReadonlyArray<{ readonly text: string }>
  const { error } = JSON.parse(first?.text ?? "{}") as { error?: Json }
  const code = `${error?.kind}.${error?.reason}`
  return { _tag: "Replied", status: 200, code, ...retrying(error), content: null }
}

const success = (content: Json): Outcome => ({
  _tag: "Replied",
  status: 200,
  code: null,
  ...retrying(undefined),
  content
})

const retrying = (failure: Json | undefined) => ({
  retryable: failure?.retryable === true,
  retryAfter: typeof failure?.retry_after_seconds === "number" ? failure.retry_after_seconds : undefined
})

/** A call of the lifecycle API. */
export const administer = (
  port: number,
  internalToken: string,
  method: "POST" | "PATCH" | "DELETE" | "GET",
  path: string,
  body?: unknown,
  key?: string
) =>
  exchange(
    port,
    method,
    path,
    {
      authorization: `Bearer ${internalToken}`,
      ...(key === undefined ? {} : { "idempotency-key": key })
    },
    body,
    administrationPatience
  )

/** As long as a client waits for a lifecycle request, in milliseconds. */
const administrationPatience = 4500

const exchange = (
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: unknown,
  patience: number
): Promise<{ readonly status: number; readonly json: Json | undefined } | { readonly lost: string }> =>
  new Promise((done) => {
    const text = body === undefined ? "" : JSON.stringify(body)
    const outgoing = request(
      {
        agent: agentOf(port),
        host: "127.0.0.1",
        port,
        path,
        method,
        headers: {
          ...headers,
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
        }
      },
      (response) => {
        let read = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => {
          read += chunk
        })
        response.on("aborted", () => lose("cut within the reply"))
        response.on("end", () => {
          if (!response.complete) return lose("cut within the reply")
          clearTimeout(timer)
          try {
            done({ status: response.statusCode ?? 0, json: read === "" ? undefined : JSON.parse(read) })
          } catch {
            done({ lost: "not JSON" })
          }
        })
      }
    )
    const lose = (why: string) => {
      clearTimeout(timer)
      done({ lost: why })
      outgoing.destroy()
    }
    const timer = setTimeout(() => lose("no reply in time"), patience)
    outgoing.on("error", (error: NodeJS.ErrnoException) => lose(error.code ?? error.message))
    outgoing.end(text)
  })
