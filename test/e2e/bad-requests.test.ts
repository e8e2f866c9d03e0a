import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { exchange } from "../support/raw-http.ts"
import { operate, Served, send } from "../support/served.ts"
import { Stage, layer as stage } from "../support/stage.ts"

/** Requests that no client of good will sends, whatever their bodies: a clear refusal, and the gateway goes on. */

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("a request", (it) => {
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
      const body = path === "/mcp" ? { body: { jsonrpc: "2.0", id: 1, method: "ping" } } : {}
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

  it.effect("leaves the gateway healthy", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/healthz")).status, 200)
      assert.strictEqual((yield* send("/readyz")).json.status, "ready")
    })
  )
})
