import { assert, layer } from "@effect/vitest"
import * as V2 from "@modelcontextprotocol/client"
import * as V1 from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect } from "effect"
import { GrantDenied } from "../../src/domain/Failure.ts"
import { Gateway, gateway, raw, tokens } from "../support/mcp-gateway.ts"

/** The official SDK's clients, of both its lines, against the responder: what they make of its answers. */

const stubs = [
  { name: "echo", run: (args: unknown) => Effect.succeed({ args }) },
  {
    name: "refuses",
    run: () => Effect.fail(new GrantDenied({ reason: "no_grant", message: "Ask the owner." }))
  }
]

interface Client {
  /** The revision that server and client agreed on. */
  readonly revision: string | undefined
  readonly instructions: string | undefined
  readonly serverName: string | undefined
  listTools(): Promise<{ readonly tools: ReadonlyArray<{ readonly name: string }> }>
  // biome-ignore lint/suspicious/noExplicitAny: the two lines type their results apart
  callTool(request: { name: string; arguments: Record<string, unknown> }): Promise<any>
  close(): Promise<void>
}

const identity = { name: "test", version: "1.0.0" }
const authorized = { requestInit: { headers: { authorization: `Bearer ${raw(tokens.good)}` } } }

const v1 = async (url: URL): Promise<Client> => {
  const client = new V1.Client(identity)
  const transport = new V1Transport(url, authorized)
  await client.connect(transport as Parameters<typeof client.connect>[0])
  return {
    revision: transport.protocolVersion,
    instructions: client.getInstructions(),
    serverName: client.getServerVersion()?.name,
    listTools: () => client.listTools(),
    callTool: (request) => client.callTool(request),
    close: () => client.close()
  }
}

const v2 =
  (mode: V2.VersionNegotiationOptions["mode"]) =>
  async (url: URL): Promise<Client> => {
    const client = new V2.Client(identity, { versionNegotiation: { mode: mode ?? "legacy" } })
    await client.connect(new V2.StreamableHTTPClientTransport(url, authorized))
    return {
      revision: client.getNegotiatedProtocolVersion(),
      instructions: client.getInstructions(),
      serverName: client.getServerVersion()?.name,
      listTools: () => client.listTools(),
      callTool: (request) => client.callTool(request),
      close: () => client.close()
    }
  }

layer(gateway(stubs))("/mcp", (it) => {
  it.effect.each([
    { client: "v1", connect: v1, revision: "2025-11-25" },
    { client: "v2, as it is by default", connect: v2("legacy"), revision: "2025-11-25" },
    { client: "v2, finding out what the server speaks", connect: v2("auto"), revision: "2026-07-28" },
    { client: "v2, held to 2026-07-28", connect: v2({ pin: "2026-07-28" }), revision: "2026-07-28" }
  ])("serves the SDK's client $client", ({ connect, revision }) =>
    Effect.gen(function* () {
      const { url, calls } = yield* Gateway
      const before = calls.length
      const client = yield* Effect.acquireRelease(
        Effect.promise(() => connect(new URL(url))),
        (opened) => Effect.promise(() => opened.close())
      )
      assert.strictEqual(client.revision, revision)
      assert.strictEqual(client.serverName, "nodedc-tasker")
      assert.include(client.instructions, "idempotency_key")
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.deepStrictEqual(
        tools.map((tool) => tool.name),
        ["echo", "refuses"]
      )
      const done = yield* Effect.promise(() => client.callTool({ name: "echo", arguments: { a: [1] } }))
      assert.deepStrictEqual(done.structuredContent, { args: { a: [1] } })
      const refused = yield* Effect.promise(() => client.callTool({ name: "refuses", arguments: {} }))
      assert.isTrue(refused.isError)
      assert.strictEqual(JSON.parse(refused.content[0].text).error.reason, "no_grant")
      const unknown = yield* Effect.promise(() =>
        client.callTool({ name: "nothing", arguments: {} }).catch((error) => error)
      )
      assert.strictEqual(unknown.code, -32602)
      assert.strictEqual(calls.length - before, 2)
    })
  )
})
