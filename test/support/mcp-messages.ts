import * as Http from "node:http"
import { Effect } from "effect"
import { raw, tokens } from "./mcp-gateway.ts"

/** Messages of both eras as clients write them, and replies as they come over the wire. */

export const handshakeRevisions = ["2025-03-26", "2025-06-18", "2025-11-25"] as const
export const revisions = [...handshakeRevisions, "2026-07-28"] as const
export type Revision = (typeof revisions)[number]

export interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire, of any shape
  readonly json: any
}

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string
}

/** Sends one request as it is; a header that is undefined is left out. */
export const send = (url: string, { method = "POST", headers = {}, body }: Sent): Effect.Effect<Reply> =>
  Effect.callback((resume) => {
    const all = {
      authorization: `Bearer ${raw(tokens.good)}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers
    }
    const request = Http.request(url, {
      method,
      agent: false,
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
    })
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => {
        const json = /json/.test(response.headers["content-type"] ?? "") ? JSON.parse(text) : undefined
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text, json }))
      })
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body)
  })

/** What a client of this revision sends to ask for a method: body and headers that agree. */
export const message = (
  revision: Revision,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  id: unknown = 1
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } => {
  if (revision !== "2026-07-28") {
    // 2025-03-26 has no header, and initialize comes before a revision is agreed on.
    const headers =
      revision === "2025-03-26" || method === "initialize" ? {} : { "mcp-protocol-version": revision }
    return {
      headers: headers as Record<string, string>,
      body: JSON.stringify({ jsonrpc: "2.0", id, method, params })
    }
  }
  const meta = {
    "io.modelcontextprotocol/protocolVersion": revision,
    "io.modelcontextprotocol/clientCapabilities": {}
  }
  return {
    headers: {
      "mcp-protocol-version": revision,
      "mcp-method": method,
      ...(typeof params.name === "string" ? { "mcp-name": params.name } : {})
    },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: meta } })
  }
}
