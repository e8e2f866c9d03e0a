import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { exchange } from "../support/raw-http.ts"
import {
  type Agent,
  newAgent,
  operate,
  ReferenceTasker,
  type Sent,
  Served,
  send,
  served
} from "../support/served.ts"
import { makeScene, type Scene, termsOf } from "../support/tool-rows.ts"

/** What no client of good will sends, through every door: a clear refusal, nothing changed, and the gateway goes on. */

class Stage extends Context.Service<Stage, { readonly scene: Scene; readonly agent: Agent }>()(
  "test/Stage"
) {}

const stage = Layer.effect(
  Stage,
  Effect.gen(function* () {
    const scene = yield* makeScene
    return Stage.of({ scene, agent: yield* newAgent([termsOf(scene, allScopes)]) })
  })
).pipe(Layer.provideMerge(served()))

/** The doors that take a body, with one that each would take. */
const doors = {
  "/mcp": { body: { jsonrpc: "2.0", id: 1, method: "ping", params: {} }, internal: false },
  "/api/v1/tools/tasker_get_session": { body: {}, internal: false },
  "/api/v1/agents": {
    body: { owner_user_id: "bad", owner_email: "bad@example.test", display_name: "Bad" },
    internal: true
  }
} as const
type Door = keyof typeof doors
const doorNames = Object.keys(doors) as ReadonlyArray<Door>

const through = (door: Door, sent: Sent) =>
  Effect.gen(function* () {
    const { agent } = yield* Stage
    return yield* doors[door].internal ? operate(door, sent) : send(door, { token: agent.token, ...sent })
  })

const good = (door: Door) => JSON.stringify(doors[door].body)
/** The body of a door with one member more at its end. */
const with_ = (door: Door, member: string) =>
  `${good(door).slice(0, -1)}${good(door) === "{}" ? "" : ","}${member}}`

interface BadBody {
  readonly why: string
  readonly sent: (door: Door) => Sent
  readonly status?: number
  readonly code?: string
  readonly says: RegExp
}

const bodies: ReadonlyArray<BadBody> = [
  { why: "an empty body", sent: () => ({ body: "" }), says: /empty|ends|Expected/i },
  {
    why: "two JSON values",
    sent: (door) => ({ body: `${good(door)} ${good(door)}` }),
    says: /not one JSON value/
  },
  { why: "a key twice", sent: (door) => ({ body: with_(door, '"x":1,"x":2') }), says: /twice/i },
  {
    why: "__proto__ as a key",
    sent: (door) => ({ body: with_(door, '"__proto__":{"admin":true}') }),
    says: /__proto__/
  },
  { why: "100,000 brackets", sent: () => ({ body: "[".repeat(100_000) }), says: /deep|nest/i },
  { why: "NUL in a text", sent: (door) => ({ body: with_(door, '"x":"a\\u0000b"') }), says: /NUL|\\u0000/i },
  {
    why: "half a surrogate pair",
    sent: (door) => ({ body: with_(door, '"x":"\\ud800"') }),
    says: /surrogate/i
  },
  { why: "a number without bound", sent: (door) => ({ body: with_(door, '"x":1e999') }), says: /number/i },
  {
    why: "bytes that are no UTF-8",
    sent: () => ({ body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) }),
    says: /UTF-8/
  },
  { why: "a byte order mark", sent: (door) => ({ body: `\uFEFF${good(door)}` }), says: /./ },
  { why: "what only looks like JSON", sent: () => ({ body: "{'a': 1}" }), says: /./ },
  {
    why: "300 KB",
    sent: (door) => ({ body: with_(door, `"x":"${"x".repeat(300_000)}"`) }),
    ...{ status: 413, code: "request.too_large", says: /262144 bytes/ }
  },
  {
    why: "a text for a content type",
    sent: (door) => ({ body: good(door), headers: { "content-type": "text/plain" } }),
    ...{ status: 415, code: "request.media_type", says: /Content-Type: application\/json/ }
  },
  {
    why: "no content type",
    sent: (door) => ({ body: good(door), headers: { "content-type": undefined } }),
    ...{ status: 415, code: "request.media_type", says: /Content-Type: application\/json/ }
  },
  {
    why: "another charset",
    sent: (door) => ({
      body: Buffer.from(good(door), "utf16le"),
      headers: { "content-type": "application/json; charset=utf-16" }
    }),
    ...{ status: 415, code: "request.media_type", says: /UTF-8/ }
  },
  {
    why: "a gzip bomb",
    sent: () => ({ body: gzipSync(Buffer.alloc(50_000_000)), headers: { "content-encoding": "gzip" } }),
    ...{ status: 415, code: "request.media_type", says: /Content-Encoding/ }
  }
]

const changes = Effect.gen(function* () {
  const tasker = yield* ReferenceTasker
  const { json } = yield* operate("/api/v1/agents?limit=100")
  return { writes: (yield* tasker.writes).length, agents: json.agents.length }
})

layer(stage, { timeout: "60 seconds", excludeTestServices: true })("a request", (it) => {
  it.effect.each(doorNames.flatMap((door) => bodies.map((row) => ({ ...row, door }))))(
    "to $door with $why is refused",
    ({ door, sent, status = 400, code = "request.malformed", says }) =>
      Effect.gen(function* () {
        const before = yield* changes
        const reply = yield* through(door, sent(door))
        assert.strictEqual(reply.status, status)
        // Over MCP what can't be read as a message is answered by JSON-RPC, the rest by HTTP.
        if (door === "/mcp" && status === 400) {
          assert.strictEqual(reply.json.error.code, -32700)
          assert.isNull(reply.json.id)
          assert.match(reply.json.error.message, says)
        } else {
          assert.strictEqual(reply.json.code, code)
          assert.match(reply.json.detail, says)
          assert.isString(reply.json.request_id)
        }
        assert.deepStrictEqual(yield* changes, before)
      })
  )

  it.effect.each([
    {
      why: "a foreign Origin",
      path: "/mcp",
      headers: { origin: "https://evil.example" },
      code: "request.origin"
    },
    { why: "an Origin of null", path: "/mcp", headers: { origin: "null" }, code: "request.origin" },
    { why: "an unknown Host", path: "/mcp", headers: { host: "evil.example" }, code: "request.host" },
    {
      why: "a Host that only begins like ours",
      path: "/mcp",
      headers: { host: "localhost.evil.example" },
      code: "request.host"
    },
    {
      why: "a foreign Origin",
      path: "/docs",
      headers: { origin: "https://evil.example" },
      code: "request.origin"
    },
    { why: "an unknown Host", path: "/docs", headers: { host: "evil.example" }, code: "request.host" }
  ])("to $path with $why is 403", ({ path, headers, code }) =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      const body = path === "/mcp" ? { body: doors["/mcp"].body } : {}
      const reply = yield* send(path, { token: agent.token, headers, ...body })
      assert.strictEqual(reply.status, 403)
      assert.strictEqual(reply.json.code, code)
      assert.match(reply.json.detail, /ALLOWED_(ORIGINS|HOSTS)/)
    })
  )

  it.effect("of Tasker's backend may come under any Host", () =>
    Effect.gen(function* () {
      const reply = yield* operate("/api/v1/agents", { headers: { host: "host.docker.internal:4100" } })
      assert.strictEqual(reply.status, 200)
    })
  )

  const long = "ж".repeat(128)
  const secret = Redacted.value(fromBytes(new Uint8Array(32).fill(11)))

  it.effect.each([
    { path: `/api/internal/v1/owners/${encodeURIComponent(long)}/agents`, status: 200, code: undefined },
    {
      path: `/api/internal/v1/owners/${encodeURIComponent(`${long}ж`)}/agents`,
      status: 404,
      code: "request.not_found"
    },
    { path: `/api/v1/agents/${"a".repeat(128)}`, status: 404, code: "request.not_found" },
    { path: "/api/v1/agents/%zz", status: 404, code: "request.not_found" },
    { path: "/api/v1/agents/%00", status: 404, code: "request.not_found" },
    { path: "/api/v1/agents/..%2f..%2fhealthz", status: 404, code: "request.not_found" },
    { path: "//evil.example/api/v1/agents", status: 404, code: "request.not_found" },
    { path: "/API/V1/AGENTS", status: 404, code: "request.not_found" },
    { path: "/api/v1/agents?limit=0", status: 422, code: "input.invalid" },
    { path: "/api/v1/agents?limit=all", status: 422, code: "input.invalid" },
    { path: "/api/v1/agents?limit=5&limit=6", status: 422, code: "input.invalid" },
    { path: "/api/v1/agents?sort=name", status: 422, code: "input.invalid" },
    { path: "/api/v1/agents?cursor=nonsense", status: 422, code: "input.invalid" },
    { path: "/api/v1/agents?cursor=%00", status: 422, code: "input.invalid" },
    { path: `/api/v1/agents?cursor=${"c".repeat(600)}`, status: 422, code: "input.invalid" }
  ])("of an operator for $path is answered $status", ({ path, status, code }) =>
    Effect.gen(function* () {
      const reply = yield* operate(path)
      assert.strictEqual(reply.status, status)
      assert.strictEqual(reply.json.code, code)
    })
  )

  it.effect.each([
    { path: `/api/v1/tools/${"t".repeat(128)}`, status: 404, code: "request.not_found" },
    { path: "/api/v1/tools/tasker_delete_issue", status: 404, code: "request.not_found" },
    { path: "/api/v1/tools/__proto__", status: 404, code: "request.not_found" },
    { path: "/api/v1/tools/%E0%A4%A", status: 404, code: "request.not_found" }
  ])("of an agent for $path is answered $status", ({ path, status, code }) =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      const reply = yield* send(path, { token: agent.token, body: {} })
      assert.strictEqual(reply.status, status)
      assert.strictEqual(reply.json.code, code)
    })
  )

  it.effect("by a method that a path lacks is 405 and names those that it has", () =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      for (const [path, method] of [
        ["/api/v1/agents", "PUT"],
        ["/healthz", "POST"],
        ["/docs", "DELETE"],
        ["/mcp", "GET"],
        ["/mcp", "PATCH"]
      ] as const) {
        const reply = yield* send(path, { method, token: agent.token })
        assert.strictEqual(reply.status, 405, `${method} ${path}`)
        assert.strictEqual(reply.json.code, "request.method")
        assert.match(String(reply.headers.allow), /GET|POST/)
      }
    })
  )

  it.effect.each(["with space", "x".repeat(65), secret, "é"])(
    "whose X-Request-Id is %s is given another",
    (sent) =>
      Effect.gen(function* () {
        const reply = yield* send("/healthz", { headers: { "x-request-id": sent } })
        assert.match(String(reply.headers["x-request-id"]), /^[0-9a-f-]{36}$/)
      })
  )

  it.effect("with a flood of headers is refused, whichever way it floods", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const big = yield* exchange(url, [
        `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Big: ${"x".repeat(20_000)}\r\n\r\n`
      ])
      assert.match(big, /^HTTP\/1\.1 413 /)
      assert.include(big, '"code":"request.too_large"')
      const many = Array.from({ length: 3000 }, (_, n) => `X-${n}: 1\r\n`).join("")
      const flood = yield* exchange(url, [`GET /healthz HTTP/1.1\r\nHost: localhost\r\n${many}\r\n`])
      assert.match(flood, /^HTTP\/1\.1 413 /)
      const nonsense = yield* exchange(url, ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
      assert.match(nonsense, /^HTTP\/1\.1 400 [\s\S]*request\.malformed/)
    })
  )

  it.effect("that says two lengths, or a length and chunks, is not read in two ways", () =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      const { url } = yield* Served
      const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${agent.token}\r\nContent-Type: application/json\r\n`
      for (const lengths of [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"
      ]) {
        assert.match(yield* exchange(url, [`${head}${lengths}\r\n{}`]), /^HTTP\/1\.1 400 /)
      }
      const unknown = yield* exchange(url, [`${head}Transfer-Encoding: gzip\r\n\r\n{}`])
      assert.notMatch(unknown, /^HTTP\/1\.1 2/)
    })
  )

  it.effect("that a hundred others starve with slow bodies is served, and they are let go", () =>
    Effect.gen(function* () {
      const { agent } = yield* Stage
      const { url, internalToken } = yield* Served
      const slow = doorNames.flatMap((door) => {
        const token = doors[door].internal ? internalToken : agent.token
        const head = `POST ${door} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
        return Array.from({ length: 33 }, () => exchange(url, [head]))
      })
      const before = yield* changes
      const [answers] = yield* Effect.all(
        [
          Effect.all(slow, { concurrency: "unbounded" }),
          Effect.forEach(doorNames, (door) =>
            Effect.map(send("/api/v1/agent-session", { token: agent.token }), ({ status }) =>
              assert.strictEqual(status, 200, door)
            )
          )
        ],
        { concurrency: "unbounded" }
      )
      for (const answer of answers)
        assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*did not arrive within 10 seconds/)
      assert.deepStrictEqual(yield* changes, before)
    })
  )

  it.effect("leaves the gateway healthy", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/healthz")).status, 200)
      assert.strictEqual((yield* send("/readyz")).json.status, "ready")
    })
  )
})
