import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"

type Json = Record<string, unknown>

/** Speaks JSON to one HTTP API; anything but a success is an error that says what was answered. */
export const jsonApi =
  (base: string, token?: string) =>
  async (method: string, path: string, body?: Json): Promise<Json> => {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
    return text === "" ? {} : (JSON.parse(text) as Json)
  }

/** What a tool answered: its structured content, or the error that it gave instead. */
export interface ToolAnswer {
  readonly content: Json | undefined
  readonly error: { readonly kind: string; readonly reason: string; readonly message: string } | undefined
}

/** An MCP client as Codex is one: the official SDK's, over Streamable HTTP with a bearer token. */
export const connect = async (endpoint: string, token: string) => {
  const client = new Client({ name: "quickstart", version: "1.0.0" })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(endpoint), {
      requestInit: { headers: { authorization: `Bearer ${token}` } }
    })
  )
  const call = async (name: string, args: Json): Promise<ToolAnswer> => {
    const result = await client.callTool({ name, arguments: args })
    const [first] = (result.content ?? []) as ReadonlyArray<{ readonly type: string; readonly text?: string }>
    if (result.isError !== true) return { content: result.structuredContent as Json, error: undefined }
    const { error } = JSON.parse(first?.text ?? "{}") as { error: NonNullable<ToolAnswer["error"]> }
    return { content: undefined, error }
  }
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call,
    close: () => client.close()
  }
}
