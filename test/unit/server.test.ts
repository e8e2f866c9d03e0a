import { gzipSync } from "node:zlib"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, References, Scope } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { Settings } from "../../src/Config.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import { deadline, maxBytes, readJson } from "../../src/http/Body.ts"
import { problem } from "../../src/http/Problem.ts"
import { serve } from "../../src/http/Server.ts"
import { asJson, logger } from "../../src/layers/Logging.ts"
import { exchange } from "../support/raw-http.ts"

const lines: Array<string> = []

const echo = Effect.match(readJson, {
  onFailure: (failure) => problem(failure, "echo"),
  onSuccess: (value) => Response.jsonUnsafe({ value })
})

const slow = Deferred.makeUnsafe<void>()

const routes = Layer.mergeAll(
  HttpRouter.add("POST", "/echo", echo),
  HttpRouter.add(
    "GET",
    "/things/:id",
    Effect.map(HttpRouter.params, (params) => Response.jsonUnsafe(params))
  ),
  HttpRouter.add("GET", "/defect", Effect.die(new Error("the cause of it"))),
  HttpRouter.add("GET", "/slow", Effect.as(Deferred.await(slow), Response.jsonUnsafe({ done: true })))
)

const server = serve(routes).pipe(
  Layer.provide(Settings.layer({ PORT: "0", LOG_LEVEL: "info", SHUTDOWN_GRACE_SECONDS: "600" })),
  Layer.provide(Logger.layer([logger(asJson, (line) => lines.push(line))])),
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "Info"))
)

const fetched = (path: string, init: RequestInit = {}) =>
  Effect.flatMap(Addresses, ({ listenOrigin }) =>
    Effect.promise(async () => {
      const response = await fetch(listenOrigin + path, init)
      return { status: response.status, headers: response.headers, body: await response.json() }
    })
  )

const posted = (body: BodyInit, headers: Record<string, string> = {}) =>
  fetched("/echo", { method: "POST", body, headers: { "content-type": "application/json", ...headers } })

const sent = (bytes: ReadonlyArray<string | Buffer>, until?: RegExp) =>
  Effect.flatMap(Addresses, ({ listenOrigin }) => exchange(listenOrigin, bytes, until))

/** The lines of one request, once there are any. */
const loggedUnder = (id: string) =>
  Effect.promise(async () => {
    const found = () => lines.filter((line) => line.includes(`"${id}"`))
    for (let i = 0; i < 100 && found().length === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return found().map((line) => JSON.parse(line))
  })

const head = (...headers: ReadonlyArray<string>) =>
  ["POST /echo HTTP/1.1", "Host: localhost", "Content-Type: application/json", ...headers, "", ""].join(
    "\r\n"
  )

layer(server, { excludeTestServices: true })("the server", (it) => {
  it.effect("gives every answer a request id, the caller's where it is sane", () =>
    Effect.gen(function* () {
      const own = yield* fetched("/nowhere", { headers: { "x-request-id": "mine-1" } })
      assert.strictEqual(own.headers.get("x-request-id"), "mine-1")
      assert.strictEqual(own.body.request_id, "mine-1")
      const answers = yield* Effect.all([
        fetched("/things/1"),
        fetched("/defect"),
        posted("x"),
        fetched("/echo")
      ])
      for (const { headers } of answers) assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/)
    })
  )

  it.effect("tells an unknown path from a method that a path lacks", () =>
    Effect.gen(function* () {
      const unknown = yield* fetched("/nowhere")
      assert.deepStrictEqual([unknown.status, unknown.body.code], [404, "request.not_found"])
      const method = yield* fetched("/things/1?x=1", { method: "DELETE" })
      assert.deepStrictEqual([method.status, method.body.code], [405, "request.method"])
      assert.strictEqual(method.headers.get("allow"), "GET, HEAD")
      const broken = yield* fetched("/things/%E0%A4%A")
      assert.strictEqual(broken.status, 404)
    })
  )

  it.effect("finds path parameters of 128 characters of any script", () =>
    Effect.gen(function* () {
      for (const id of [`${"€".repeat(127)}/`, "🦊".repeat(128), "%".repeat(128)]) {
        const found = yield* fetched(`/things/${encodeURIComponent(id)}`)
        assert.deepStrictEqual(found.body, { id })
      }
    })
  )

  it.effect.each([
    "//things/1",
    "/things//1",
    "/things/1/",
    "/things/1;x",
    "/things/1#x",
    "/thing%73/1",
    "//defect",
    "/defect/",
    "/defect;x",
    "/defect#x",
    "/%64efect"
  ])("finds nothing at a path that is spelled another way, which a proxy's rule may not see: %s", (path) =>
    Effect.gen(function* () {
      const answer = yield* sent([`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`], /"request_id"/)
      assert.match(answer, /^HTTP\/1\.1 404 [\s\S]*"request\.not_found"/)
    })
  )

  it.effect("logs a defect with its cause and shows nothing of it", () =>
    Effect.gen(function* () {
      const { body, status } = yield* fetched("/defect", { headers: { "x-request-id": "defect-1" } })
      assert.deepStrictEqual([status, body.code], [500, "gateway.internal"])
      assert.notInclude(JSON.stringify(body), "the cause of it")
      const line = lines.find((line) => line.includes("the cause of it") && line.includes("defect-1"))
      assert.include(JSON.parse(line ?? "{}"), { level: "error", request_id: "defect-1" })
    })
  )

  it.effect("logs one line a request, without its query, once the answer has left", () =>
    Effect.gen(function* () {
      yield* fetched("/things/42?secret=1", {
        headers: { "x-request-id": "logged-1", authorization: "Bearer hidden" }
      })
      const logged = yield* loggedUnder("logged-1")
      assert.lengthOf(logged, 1)
      assert.include(logged[0], {
        level: "info",
        message: "request",
        method: "GET",
        path: "/things/:id",
        status: 200,
        client: "127.0.0.1"
      })
      assert.isNumber(logged[0].duration_ms)
      assert.notMatch(lines.join("\n"), /secret=1|hidden/)
    })
  )

  it.effect("logs of a path only what was declared, so that no spelling of a secret gets into the log", () =>
    Effect.gen(function* () {
      const paths = [
        ["/things/ndcat%5Fplanted", "/things/:id"],
        ["/nothing/planted", "(no route)"],
        ["/things/planted/", "(no route)"],
        ["/planted", "(no route)"]
      ] as const
      for (const [i, [path, route]] of paths.entries()) {
        yield* fetched(path, { headers: { "x-request-id": `route-${i}` } })
        const [line] = yield* loggedUnder(`route-${i}`)
        assert.strictEqual(line.path, route)
      }
      yield* fetched("/things/planted", { method: "DELETE", headers: { "x-request-id": "route-405" } })
      assert.strictEqual((yield* loggedUnder("route-405"))[0].path, "/things/:id")
      assert.notInclude(lines.join("\n"), "planted")
    })
  )

  it.effect.each([
    ["an empty body", "", {}, 400, "request.malformed"],
    ["two JSON values", "{} {}", {}, 400, "request.malformed"],
    ["duplicate keys", '{"a":1,"a":1}', {}, 400, "request.malformed"],
    ["__proto__", '{"__proto__":1}', {}, 400, "request.malformed"],
    ["a lone surrogate", '"\\ud800"', {}, 400, "request.malformed"],
    ["NUL", '"\\u0000"', {}, 400, "request.malformed"],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22]), {}, 400, "request.malformed"],
    ["100,000 brackets", "[".repeat(100_000), {}, 400, "request.malformed"],
    ["300 KB", `"${"a".repeat(300_000)}"`, {}, 413, "request.too_large"],
    ["another content type", "{}", { "content-type": "text/plain" }, 415, "request.media_type"],
    [
      "another charset",
      "{}",
      { "content-type": "application/json; charset=utf-16" },
      415,
      "request.media_type"
    ],
    [
      "a gzip bomb",
      gzipSync(Buffer.alloc(1_000_000)),
      { "content-encoding": "gzip" },
      415,
      "request.media_type"
    ]
  ] as const)("refuses %s", ([, body, headers, status, code]) =>
    Effect.gen(function* () {
      const answer = yield* posted(typeof body === "string" ? body : new Uint8Array(body), headers)
      assert.deepStrictEqual([answer.status, answer.body.code], [status, code])
    })
  )

  it.effect("takes UTF-8 that says so, up to the limit", () =>
    Effect.gen(function* () {
      const text = "ф".repeat(1000)
      const headers = { "content-type": 'Application/JSON; charset="UTF-8"' }
      assert.deepStrictEqual((yield* posted(JSON.stringify(text), headers)).body, { value: text })
      assert.strictEqual((yield* posted(JSON.stringify("a".repeat(maxBytes - 2)))).status, 200)
      assert.strictEqual((yield* posted(JSON.stringify("a".repeat(maxBytes - 1)))).status, 413)
    })
  )

  it.effect("refuses a large body that does not say its length, and hangs up on one that never ends", () =>
    Effect.gen(function* () {
      const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`
      const answer = yield* sent([head("Transfer-Encoding: chunked"), chunk.repeat(20)], /"request_id"/)
      assert.match(answer, /^HTTP\/1\.1 413 /)
      const cut = yield* sent([
        head("Transfer-Encoding: chunked"),
        ...Array.from({ length: 400 }, () => chunk)
      ])
      assert.match(cut, /^HTTP\/1\.1 413 |^$/)
    })
  )

  it.effect("answers a client that offers to upgrade as any other", () =>
    Effect.gen(function* () {
      const offer = head(
        "Content-Length: 2",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAM"
      )
      assert.match(yield* sent([offer, "{}"], /"value"/), /^HTTP\/1\.1 200 /)
    })
  )

  it.effect("lets nobody keep an answer, or guess at what it is", () =>
    Effect.map(fetched("/things/1"), ({ headers }) => {
      assert.strictEqual(headers.get("cache-control"), "no-store")
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
    })
  )

  it.effect("asks for the body of a client that waits to be asked", () =>
    Effect.gen(function* () {
      const answer = yield* sent([head("Content-Length: 2", "Expect: 100-continue"), "{}"], /"value"/)
      assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
    })
  )

  it.effect("gives up on a body that does not arrive, and hangs up", () =>
    Effect.gen(function* () {
      const started = performance.now()
      const answer = yield* sent([head("Content-Length: 100"), '{"a":'])
      assert.match(answer, /^HTTP\/1\.1 400 /)
      assert.match(answer, /connection: close/i)
      assert.include(answer, "did not arrive")
      assert.approximately(performance.now() - started, deadline, 3000)
    })
  )

  it.effect("answers what is no HTTP, a flood of headers and a request without Host", () =>
    Effect.gen(function* () {
      const garbage = yield* sent(["GARBAGE\r\n\r\n"])
      assert.match(garbage, /^HTTP\/1\.1 400 [\s\S]*x-request-id: [0-9a-f-]{36}[\s\S]*"request\.malformed"/)
      const flood = yield* sent([head(...Array.from({ length: 900 }, (_, i) => `X-${i}: ${"a".repeat(30)}`))])
      assert.match(flood, /^HTTP\/1\.1 413 [\s\S]*"request\.too_large"/)
      const hostless = yield* sent(["GET /things/1 HTTP/1.1\r\n\r\n"], /"request_id"/)
      assert.match(hostless, /^HTTP\/1\.1 400 [\s\S]*"request\.malformed"/)
    })
  )
})

describe("a server that is told to stop", () => {
  it.live(
    "lets what is under way end, closes what is idle at once and what says nothing soon, and takes nothing new",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(server, scope)
        const { listenOrigin } = Context.get(context, Addresses)
        const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
        const idle = yield* Effect.forkChild(exchange(listenOrigin, [request("/things/1")]))
        const silent = yield* Effect.forkChild(exchange(listenOrigin, []))
        const busy = yield* Effect.forkChild(exchange(listenOrigin, [request("/slow")]))
        yield* Effect.sleep("200 millis")
        const started = performance.now()
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        assert.match(yield* Fiber.join(idle), /^HTTP\/1\.1 200 /)
        assert.strictEqual(yield* Fiber.join(silent), "")
        yield* Effect.sleep("100 millis")
        assert.strictEqual(yield* exchange(listenOrigin, [request("/things/1")]), "")
        yield* Deferred.succeed(slow, undefined)
        assert.match(yield* Fiber.join(busy), /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*"done":true/)
        yield* Fiber.join(closing)
        // Not the whole grace of ten minutes.
        assert.isBelow(performance.now() - started, 120_000)
      })
  )
})
