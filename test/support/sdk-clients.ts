import * as V2 from "@modelcontextprotocol/client"
import * as V1 from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect } from "effect"
import { Served } from "./served.ts"

/** The official SDK's clients, of both its lines, as one shape. They are what agents are built on. */
export interface SdkClient {
  /** The revision that server and client agreed on. */
  readonly revision: string | undefined
  readonly instructions: string | undefined
  readonly tools: Effect.Effect<ReadonlyArray<string>>
  /** A tool's structured content, or `<kind>.<reason>` of what it failed with and the failure itself. */
  readonly call: (name: string, args: object) => Effect.Effect<SdkAnswer>
}

export interface SdkAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly content: any
  readonly code: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly error: any
}

type Listing = { readonly tools: ReadonlyArray<{ readonly name: string }> }

interface Connected {
  readonly revision: string | undefined
  readonly instructions: string | undefined
  readonly listTools: () => Promise<Listing>
  // biome-ignore lint/suspicious/noExplicitAny: the two lines type their results apart
  readonly callTool: (request: { name: string; arguments: Record<string, unknown> }) => Promise<any>
  readonly close: () => Promise<void>
}

const identity = { name: "test", version: "1.0.0" }
const authorized = (token: string) => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } })

const v1 = async (url: URL, token: string): Promise<Connected> => {
  const client = new V1.Client(identity)
  const transport = new V1Transport(url, authorized(token))
  await client.connect(transport as Parameters<typeof client.connect>[0])
  return {
    revision: transport.protocolVersion,
    instructions: client.getInstructions(),
    listTools: () => client.listTools(),
    callTool: (request) => client.callTool(request),
    close: () => client.close()
  }
}

const v2 =
  (mode: NonNullable<V2.VersionNegotiationOptions["mode"]>) =>
  async (url: URL, token: string): Promise<Connected> => {
    const client = new V2.Client(identity, { versionNegotiation: { mode } })
    await client.connect(new V2.StreamableHTTPClientTransport(url, authorized(token)))
    return {
      revision: client.getNegotiatedProtocolVersion(),
      instructions: client.getInstructions(),
      listTools: () => client.listTools(),
      callTool: (request) => client.callTool(request),
      close: () => client.close()
    }
  }

/** Each client with the revision that it comes to speak here. */
export const clients = [
  { client: "v1", connect: v1, revision: "2025-11-25" },
  { client: "v2 with a handshake", connect: v2("legacy"), revision: "2025-11-25" },
  { client: "v2 that finds out what is spoken", connect: v2("auto"), revision: "2026-07-28" },
  { client: "v2 held to 2026-07-28", connect: v2({ pin: "2026-07-28" }), revision: "2026-07-28" }
] as const

/** Connects a client to the gateway under test until the scope closes. */
export const connected = Effect.fnUntraced(function* (
  connect: (typeof clients)[number]["connect"],
  token: string
) {
  const { url } = yield* Served
  const client = yield* Effect.acquireRelease(
    Effect.promise(() => connect(new URL(`${url}/mcp`), token)),
    (opened) => Effect.promise(() => opened.close())
  )
  return {
    revision: client.revision,
    instructions: client.instructions,
    tools: Effect.map(
      Effect.promise(() => client.listTools()),
      ({ tools }) => tools.map(({ name }) => name)
    ),
    call: (name, args) =>
      Effect.map(
        Effect.promise(() => client.callTool({ name, arguments: { ...args } })),
        (result): SdkAnswer => {
          if (result.isError !== true)
            return { content: result.structuredContent, code: undefined, error: undefined }
          const { error } = JSON.parse(result.content[0].text)
          return { content: undefined, code: `${error.kind}.${error.reason}`, error }
        }
      )
  } satisfies SdkClient
})
