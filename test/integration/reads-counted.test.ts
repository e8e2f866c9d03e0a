import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newAgent, type Sent, send, served } from "../support/served.ts"

/** Reads that an agent has in a minute here. */
const quota = 3

const message = (method: string, params: object = {}): Sent => ({
  body: { jsonrpc: "2.0", id: 1, method, params }
})

/** Whatever an agent can ask that is no call of a tool. */
const doors: ReadonlyArray<readonly [string, string, Sent]> = [
  ["GET /api/v1/agent-session", "/api/v1/agent-session", {}],
  ["GET /api/v1/agent-session/setup", "/api/v1/agent-session/setup", {}],
  ["GET /api/v1/agent-session/operations/:key", "/api/v1/agent-session/operations/a-key-of-a-write", {}],
  ["GET /api/v1/tools", "/api/v1/tools", {}],
  ["POST /api/v1/tools/:tool_name for a tool that is none", "/api/v1/tools/none", { body: {} }],
  ["tools/list on /mcp", "/mcp", message("tools/list")],
  ["ping on /mcp", "/mcp", message("ping")],
  [
    "initialize on /mcp",
    "/mcp",
    message("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: {} })
  ],
  ["a notification on /mcp", "/mcp", { body: { jsonrpc: "2.0", method: "notifications/initialized" } }],
  ["what is no message on /mcp", "/mcp", { body: [] }],
  ["GET /mcp", "/mcp", {}],
  ["GET /docs", "/docs", {}],
  ["GET /openapi.json", "/openapi.json", {}],
  ["GET /connect", "/connect", {}],
  ["GET /api/v1/meta/capabilities", "/api/v1/meta/capabilities", {}]
]

layer(served({ RATE_LIMIT_READS_PER_MINUTE: String(quota) }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a read of an agent", (it) => {
  for (const [name, path, sent] of doors) {
    it.effect(`${name} is one of those that its agent has in a minute`, () =>
      Effect.gen(function* () {
        // A minute that ends in between gives a whole quota more.
        const { token } = yield* newAgent([])
        const statuses: Array<number> = []
        for (let time = 0; time < 2 * quota + 1; time++) {
          const reply = yield* send(path, { ...sent, token })
          statuses.push(reply.status)
          if (reply.status !== 429) continue
          assert.strictEqual(reply.json.code, "limit.rate")
          assert.isAtLeast(Number(reply.headers["retry-after"]), 1)
          break
        }
        assert.strictEqual(statuses.at(-1), 429, String(statuses))
        assert.isAtLeast(statuses.length, quota + 1)
      })
    )
  }

  it.effect(
    "a long call of a new credential, which is looked up before its body is read, is counted once",
    () =>
      Effect.gen(function* () {
        const { token } = yield* newAgent([])
        const call = {
          name: "tasker_get_session",
          arguments: {},
          _meta: { filler: "a".repeat(20_000) }
        }
        const reply = yield* send("/mcp", { ...message("tools/call", call), token })
        assert.strictEqual(reply.status, 200)
        const left = yield* Effect.forEach(Array.from({ length: quota - 1 }), () =>
          Effect.map(send("/api/v1/agent-session", { token }), ({ status }) => status)
        )
        assert.deepStrictEqual(
          left,
          left.map(() => 200)
        )
      })
  )

  it.effect("the open routes serve a token that nobody holds, as they serve anyone", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/docs", { token: "ndcat_nonsense" })).status, 200)
      assert.strictEqual((yield* send("/docs")).status, 200)
    })
  )
})
