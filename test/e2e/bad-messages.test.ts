import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ReferenceTasker, send } from "../support/served.ts"
import { Stage, layer as stage } from "../support/stage.ts"
import type { Scene } from "../support/tool-rows.ts"

/**
 * JSON that is no message, or one that may not be answered as it stands, sent to `/mcp` with a write in
 * it wherever one fits: each is refused by name and Tasker hears nothing.
 */

const name = "tasker_create_issue"
const create = (scene: Scene) => ({
  name,
  arguments: { project_id: scene.projectId, name: "Never made", idempotency_key: "never-made" }
})
const rpc = (fields: object) => ({ jsonrpc: "2.0", id: 1, method: "tools/call", ...fields })

const stateless = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {}
}
const mirrored = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name }

interface Row {
  readonly why: string
  readonly message: (params: ReturnType<typeof create>) => unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status?: number
  readonly code: number
  readonly says: RegExp
}

const rows: ReadonlyArray<Row> = [
  {
    why: "a batch",
    message: (params) => [rpc({ params }), rpc({ id: 2, params })],
    status: 400,
    code: -32600,
    says: /[Bb]atch/
  },
  { why: "an empty batch", message: () => [], status: 400, code: -32600, says: /./ },
  { why: "a text", message: () => '"tools/call"', status: 400, code: -32600, says: /object/ },
  {
    why: "JSON-RPC 1.0",
    message: (params) => rpc({ params, jsonrpc: "1.0" }),
    status: 400,
    code: -32600,
    says: /2\.0/
  },
  {
    why: "an id that is null",
    message: (params) => rpc({ params, id: null }),
    status: 400,
    code: -32600,
    says: /id/
  },
  {
    why: "an id that is a list",
    message: (params) => rpc({ params, id: [1] }),
    status: 400,
    code: -32600,
    says: /id/
  },
  {
    why: "a call without an id",
    message: (params) => ({ ...rpc({ params }), id: undefined }),
    status: 400,
    code: -32600,
    says: /id/
  },
  {
    why: "no method",
    message: (params) => rpc({ params, method: undefined }),
    status: 400,
    code: -32600,
    says: /method|message/
  },
  {
    why: "params that are a list",
    message: (params) => rpc({ params: [params] }),
    status: 400,
    code: -32600,
    says: /params/
  },
  {
    why: "an unknown method",
    message: (params) => rpc({ params, method: "tools/delete" }),
    code: -32601,
    says: /tools\/delete/
  },
  {
    why: "a method of another kind of server",
    message: () => rpc({ method: "resources/list", params: {} }),
    code: -32601,
    says: /resources\/list/
  },
  {
    why: "an unknown tool",
    message: () => rpc({ params: { name: "tasker_delete_issue", arguments: {} } }),
    code: -32602,
    says: /tasker_delete_issue/
  },
  { why: "no tool's name", message: () => rpc({ params: { arguments: {} } }), code: -32602, says: /name/ },
  {
    why: "a revision that nobody knows",
    message: (params) => rpc({ params }),
    headers: { "mcp-protocol-version": "2019-01-01" },
    ...{ status: 400, code: -32022, says: /2025-11-25/ }
  },
  {
    why: "a header of 2026-07-28 over a body without its _meta",
    message: (params) => rpc({ params }),
    headers: mirrored,
    ...{ status: 400, code: -32602, says: /_meta/ }
  },
  {
    why: "a method in the header that is not the body's",
    message: (params) => rpc({ params: { ...params, _meta: stateless } }),
    headers: { ...mirrored, "mcp-method": "tools/list" },
    ...{ status: 400, code: -32020, says: /Mcp-Method/i }
  },
  {
    why: "a tool in the header that is not the body's",
    message: (params) => rpc({ params: { ...params, _meta: stateless } }),
    headers: { ...mirrored, "mcp-name": "tasker_get_session" },
    ...{ status: 400, code: -32020, says: /Mcp-Name/i }
  },
  {
    why: "a revision in the header that is not the body's",
    message: (params) => rpc({ params: { ...params, _meta: stateless } }),
    headers: { ...mirrored, "mcp-protocol-version": "2025-11-25" },
    ...{ status: 400, code: -32020, says: /MCP-Protocol-Version/i }
  },
  {
    why: "a stateless revision that nobody knows",
    message: (params) =>
      rpc({
        params: {
          ...params,
          _meta: { ...stateless, "io.modelcontextprotocol/protocolVersion": "2031-01-01" }
        }
      }),
    headers: { ...mirrored, "mcp-protocol-version": "2031-01-01" },
    ...{ status: 400, code: -32022, says: /2031-01-01|revision|version/i }
  }
]

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("a message", (it) => {
  it.effect.each(rows)(
    "with $why is refused as $code",
    ({ message, headers = {}, status = 200, code, says }) =>
      Effect.gen(function* () {
        const { scene, agent } = yield* Stage
        const tasker = yield* ReferenceTasker
        const before = yield* tasker.requests
        const reply = yield* send("/mcp", {
          token: agent.token,
          body: message(create(scene)),
          headers: { accept: "application/json, text/event-stream", ...headers }
        })
        assert.strictEqual(reply.json.error.code, code, reply.text)
        assert.strictEqual(reply.status, status)
        assert.match(`${reply.json.error.message} ${JSON.stringify(reply.json.error.data)}`, says)
        assert.match(String(reply.headers["content-type"]), /^application\/json/)
        assert.deepStrictEqual(yield* tasker.requests, before)
      })
  )

  it.effect("that can only be answered as something else than JSON is 406", () =>
    Effect.gen(function* () {
      const { scene, agent } = yield* Stage
      const tasker = yield* ReferenceTasker
      const before = yield* tasker.requests
      const reply = yield* send("/mcp", {
        token: agent.token,
        body: rpc({ params: create(scene) }),
        headers: { accept: "text/html" }
      })
      assert.strictEqual(reply.status, 406)
      assert.deepStrictEqual(yield* tasker.requests, before)
    })
  )

  it.effect("that none of these was is carried out after them all", () =>
    Effect.gen(function* () {
      const { scene, agent } = yield* Stage
      const reply = yield* send("/mcp", { token: agent.token, body: rpc({ params: create(scene) }) })
      assert.isFalse(reply.json.result.structuredContent.replayed)
    })
  )
})
