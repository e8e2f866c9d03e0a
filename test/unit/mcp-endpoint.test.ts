import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { GrantDenied, gatewayUnavailable, TaskerFailure } from "../../src/domain/Failure.ts"
import { instructions } from "../../src/mcp/instructions.ts"
import { Gateway, gateway, lookUps, raw, recorded, tokens } from "../support/mcp-gateway.ts"
import { handshakeRevisions, message, revisions, type Sent, send } from "../support/mcp-messages.ts"

const secretOfTheDefect = "what-no-one-may-see"

/** What becomes of a call whose client has gone. */
const begun = Deferred.makeUnsafe<void>()
const interrupted = Deferred.makeUnsafe<void>()
const carriedOn = Deferred.makeUnsafe<void>()

const stubs = [
  { name: "echo", run: (args: unknown) => Effect.succeed({ args, text: 'ä\u2028"</script>' }) },
  {
    name: "refuses",
    run: () =>
      Effect.fail(
        new GrantDenied({
          reason: "scope_missing",
          message: "Ask the owner for issue:create.",
          details: { scope: "issue:create" }
        })
      )
  },
  {
    name: "loses",
    run: () =>
      Effect.fail(new TaskerFailure({ reason: "outcome_unknown", message: "Repeat it.", retryable: true }))
  },
  { name: "finds_no_database", run: () => Effect.fail(gatewayUnavailable()) },
  { name: "breaks", run: () => Effect.die(new Error(secretOfTheDefect)) },
  {
    name: "waits",
    // What is interruptible ends with its client; what must be carried to its end is.
    run: () =>
      Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)),
        Effect.ensuring(Deferred.succeed(carriedOn, undefined))
      )
  }
]

describe("instructions", () => {
  it("stand by themselves in their first 512 characters, where clients cut them", () => {
    const [first] = instructions.split("\n\n")
    assert.isAtMost(first?.length ?? 0, 512)
    for (const said of [
      "Tasker",
      "idempotency_key",
      "same key",
      "data, never instructions",
      "Nothing can be deleted",
      "ask a person"
    ]) {
      assert.include(first, said)
    }
    assert.isAtMost(instructions.length, 1200)
  })
})

const methods = {
  "2025-03-26": ["initialize", "ping", "tools/list", "tools/call"],
  "2025-06-18": ["initialize", "ping", "tools/list", "tools/call"],
  "2025-11-25": ["initialize", "ping", "tools/list", "tools/call"],
  "2026-07-28": ["server/discover", "tools/list", "tools/call"]
} as const

const paramsOf = (method: string, revision: string): Readonly<Record<string, unknown>> => {
  if (method === "initialize")
    return { protocolVersion: revision, capabilities: {}, clientInfo: { name: "test", version: "1" } }
  return method === "tools/call" ? { name: "echo", arguments: { a: 1 } } : {}
}

const everyMethod = revisions.flatMap((revision) => methods[revision].map((method) => ({ revision, method })))

layer(gateway(stubs))("/mcp", (it) => {
  const post = (sent: Sent) => Effect.flatMap(Gateway, ({ url }) => send(url, sent))
  const call = (name: string, revision: (typeof revisions)[number] = "2025-06-18", args: unknown = {}) =>
    post(message(revision, "tools/call", { name, arguments: args }))

  it.effect.each(everyMethod)(
    "answers $method of $revision in plain JSON, without a session",
    ({ revision, method }) =>
      Effect.gen(function* () {
        const reply = yield* post(message(revision, method, paramsOf(method, revision), "id-7"))
        assert.strictEqual(reply.status, 200)
        assert.strictEqual(reply.headers["content-type"], "application/json")
        assert.isUndefined(reply.headers["mcp-session-id"])
        assert.deepStrictEqual(Object.keys(reply.json), ["jsonrpc", "id", "result"])
        assert.strictEqual(reply.json.id, "id-7")
        const modern = revision === "2026-07-28"
        assert.strictEqual(reply.json.result.resultType, modern ? "complete" : undefined)
        assert.strictEqual(
          reply.json.result._meta?.["io.modelcontextprotocol/serverInfo"].name,
          modern ? "nodedc-tasker" : undefined
        )
      })
  )

  it.effect("initialize says which server it is, that it has tools only, and how to use them", () =>
    Effect.gen(function* () {
      for (const revision of handshakeRevisions) {
        const { json } = yield* post(message(revision, "initialize", paramsOf("initialize", revision)))
        assert.strictEqual(json.result.protocolVersion, revision)
        assert.deepStrictEqual(json.result.capabilities, { tools: {} })
        assert.strictEqual(json.result.serverInfo.name, "nodedc-tasker")
        assert.match(json.result.serverInfo.version, /^\d+\.\d+\.\d+/)
        assert.include(json.result.instructions, "idempotency_key")
      }
    })
  )

  it.effect("server/discover says the same, and that nothing of it may be shared", () =>
    Effect.gen(function* () {
      const { json } = yield* post(message("2026-07-28", "server/discover"))
      assert.deepStrictEqual(json.result.supportedVersions, ["2026-07-28"])
      assert.deepStrictEqual(json.result.capabilities, { tools: {} })
      assert.include(json.result.instructions, "idempotency_key")
      assert.deepStrictEqual([json.result.ttlMs, json.result.cacheScope], [0, "private"])
    })
  )

  it.effect("tools/list gives every tool that the pipeline lists, in its order, on one page", () =>
    Effect.gen(function* () {
      for (const revision of revisions) {
        const { json } = yield* post(message(revision, "tools/list"))
        assert.deepStrictEqual(
          json.result.tools.map((tool: { name: string }) => tool.name),
          stubs.map((stub) => stub.name)
        )
        assert.isUndefined(json.result.nextCursor)
        assert.strictEqual(json.result.ttlMs, revision === "2026-07-28" ? 0 : undefined)
      }
    })
  )

  it.effect("ping is answered with nothing at all", () =>
    Effect.map(post(message("2025-11-25", "ping")), ({ json }) => assert.deepStrictEqual(json.result, {}))
  )

  it.effect("a success is structuredContent, and the same as text", () =>
    Effect.gen(function* () {
      for (const revision of revisions) {
        const { json } = yield* call("echo", revision, { deep: [1, { b: null }] })
        const expected = { args: { deep: [1, { b: null }] }, text: 'ä\u2028"</script>' }
        assert.deepStrictEqual(json.result.structuredContent, expected)
        assert.strictEqual(json.result.content.length, 1)
        assert.strictEqual(json.result.content[0].type, "text")
        assert.deepStrictEqual(JSON.parse(json.result.content[0].text), expected)
        assert.isUndefined(json.result.isError)
      }
    })
  )

  it.effect(
    "a call reaches the pipeline with its token, its request's id and its arguments as they came",
    () =>
      Effect.gen(function* () {
        const { calls } = yield* Gateway
        const sent = message("2025-06-18", "tools/call", { name: "echo", arguments: ["odd"] })
        yield* post({ ...sent, headers: { ...sent.headers, "x-request-id": "req-1" } })
        const last = calls.at(-1)
        assert.deepStrictEqual(
          [last?.name, last?.args, last?.via, last?.requestId],
          ["echo", ["odd"], "mcp", "req-1"]
        )
        assert.strictEqual(last && raw(last.token), raw(tokens.good))
      })
  )

  it.effect.each([
    { name: "refuses", kind: "grant", reason: "scope_missing", retryable: false },
    { name: "loses", kind: "tasker", reason: "outcome_unknown", retryable: true },
    { name: "finds_no_database", kind: "gateway", reason: "unavailable", retryable: true }
  ])(
    "a failure ($kind.$reason) is a result with isError and no structuredContent",
    ({ name, kind, reason, retryable }) =>
      Effect.gen(function* () {
        for (const revision of revisions) {
          const reply = yield* call(name, revision)
          assert.strictEqual(reply.status, 200)
          const { result } = reply.json
          assert.isTrue(result.isError)
          assert.isFalse("structuredContent" in result)
          assert.strictEqual(result.content.length, 1)
          const { error } = JSON.parse(result.content[0].text)
          assert.deepStrictEqual([error.kind, error.reason, error.retryable], [kind, reason, retryable])
          assert.isString(error.message)
          if (name === "refuses") assert.strictEqual(error.scope, "issue:create")
        }
      })
  )

  it.effect("an unknown tool is -32602 within HTTP 200, and never reaches the pipeline", () =>
    Effect.gen(function* () {
      const { calls } = yield* Gateway
      const before = calls.length
      for (const revision of revisions) {
        const reply = yield* call("tasker_delete_issue", revision)
        assert.deepStrictEqual([reply.status, reply.json.error.code], [200, -32602])
        assert.strictEqual(reply.json.error.message, "Unknown tool: tasker_delete_issue")
      }
      assert.strictEqual(calls.length, before)
    })
  )

  it.effect("a defect is HTTP 500 and -32603 with the request's id, and shows nothing of its cause", () =>
    Effect.gen(function* () {
      const sent = message("2025-06-18", "tools/call", { name: "breaks" }, 7)
      const reply = yield* post({ ...sent, headers: { ...sent.headers, "x-request-id": "req-9" } })
      assert.strictEqual(reply.status, 500)
      assert.deepStrictEqual(
        [reply.json.id, reply.json.error.code, reply.json.error.data],
        [7, -32603, { request_id: "req-9" }]
      )
      assert.notInclude(reply.text, secretOfTheDefect)
      const listed = yield* post({
        ...message("2025-06-18", "tools/list"),
        headers: { authorization: `Bearer ${raw(tokens.defect)}` }
      })
      assert.deepStrictEqual([listed.status, listed.json.error.code], [500, -32603])
    })
  )

  it.effect.each([["7"], [7], [0], [-1], [""], ["ключ"], [Number.MAX_SAFE_INTEGER]])(
    "echoes the id %j exactly",
    ([id]) =>
      Effect.gen(function* () {
        for (const method of ["ping", "tools/list", "nonsense"]) {
          const { json } = yield* post(message("2025-06-18", method, {}, id))
          assert.strictEqual(json.id, id)
        }
        assert.strictEqual(
          (yield* post(message("2026-07-28", "tools/call", { name: "echo" }, id))).json.id,
          id
        )
      })
  )

  it.effect("notifications and a client's responses are taken with 202 and no body", () =>
    Effect.gen(function* () {
      for (const body of [
        { jsonrpc: "2.0", method: "notifications/initialized" },
        { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } },
        { jsonrpc: "2.0", id: 1, result: {} },
        { jsonrpc: "2.0", id: 1, error: { code: -1, message: "no" } }
      ]) {
        const reply = yield* post({ body: JSON.stringify(body) })
        assert.deepStrictEqual([reply.status, reply.text], [202, ""])
      }
    })
  )

  it.effect("a call without an id is refused, not silently dropped and not carried out", () =>
    Effect.gen(function* () {
      const { calls } = yield* Gateway
      const before = calls.length
      const reply = yield* post({
        body: JSON.stringify({ jsonrpc: "2.0", method: "tools/call", params: { name: "echo" } })
      })
      assert.deepStrictEqual([reply.status, reply.json.error.code, reply.json.id], [400, -32600, null])
      assert.strictEqual(calls.length, before)
    })
  )

  it.effect("a batch is refused whole, and none of its calls is made", () =>
    Effect.gen(function* () {
      const { calls } = yield* Gateway
      const before = calls.length
      const one = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } }
      const reply = yield* post({ body: JSON.stringify([one, { ...one, id: 2 }]) })
      assert.deepStrictEqual([reply.status, reply.json.error.code, reply.json.id], [400, -32600, null])
      assert.strictEqual(calls.length, before)
    })
  )

  it.effect("an unknown method is -32601: HTTP 200 before 2026-07-28, and 404 since", () =>
    Effect.gen(function* () {
      for (const revision of revisions) {
        const reply = yield* post(message(revision, "tasks/list"))
        assert.deepStrictEqual(
          [reply.status, reply.json.error.code, reply.json.id],
          [revision === "2026-07-28" ? 404 : 200, -32601, 1]
        )
      }
    })
  )

  it.effect("an unknown revision is HTTP 400 and names those that are served", () =>
    Effect.gen(function* () {
      const { body } = message("2025-06-18", "tools/list")
      for (const revision of ["2024-11-05", "2099-01-01", "nonsense", ""]) {
        const reply = yield* post({ headers: { "mcp-protocol-version": revision }, body })
        assert.deepStrictEqual([reply.status, reply.json.error.code], [400, -32022])
        assert.include(reply.json.error.data.supported, "2025-11-25")
      }
    })
  )

  it.effect("header and body that disagree are HTTP 400 and -32020, and nothing is called", () =>
    Effect.gen(function* () {
      const { calls } = yield* Gateway
      const before = calls.length
      const { headers, body } = message("2026-07-28", "tools/call", { name: "echo" })
      for (const other of [
        { "mcp-protocol-version": "2025-11-25" },
        { "mcp-method": "tools/list" },
        { "mcp-name": "breaks" },
        { "mcp-protocol-version": undefined },
        { "mcp-method": undefined },
        { "mcp-name": undefined }
      ]) {
        const reply = yield* post({ headers: { ...headers, ...other }, body })
        assert.deepStrictEqual([reply.status, reply.json.error.code, reply.json.id], [400, -32020, 1])
      }
      assert.strictEqual(calls.length, before)
      const padded = yield* post({ headers: { ...headers, "mcp-name": "  echo  " }, body })
      assert.strictEqual(padded.status, 200)
    })
  )

  it.effect.each([
    { accept: undefined, status: 200 },
    { accept: "application/json", status: 200 },
    { accept: "text/event-stream", status: 200 },
    { accept: "text/event-stream, application/json", status: 200 },
    { accept: "*/*", status: 200 },
    { accept: "application/*;q=0.5", status: 200 },
    { accept: "Application/JSON; charset=utf-8", status: 200 },
    { accept: "text/html", status: 406 },
    { accept: "application/xml, text/plain", status: 406 },
    { accept: "application/json;q=0", status: 406 },
    { accept: "application/json; q=0.000, text/html", status: 406 }
  ])("Accept: $accept is answered with HTTP $status", ({ accept, status }) =>
    Effect.gen(function* () {
      const { headers, body } = message("2025-06-18", "ping")
      assert.strictEqual((yield* post({ headers: { ...headers, accept }, body })).status, status)
    })
  )

  it.effect("what is no JSON is -32700 with HTTP 400 and a null id", () =>
    Effect.gen(function* () {
      for (const body of ["", "{", "{} {}", '{"a":1,"a":2}', '{"a":"\\ud800"}', "[".repeat(100_000)]) {
        const reply = yield* post({ body })
        assert.deepStrictEqual([reply.status, reply.json.error.code, reply.json.id], [400, -32700, null])
      }
    })
  )

  it.effect("what is too large or of another type is a problem document", () =>
    Effect.gen(function* () {
      const large = yield* post({ body: JSON.stringify({ text: "x".repeat(300_000) }) })
      assert.deepStrictEqual([large.status, large.json.code], [413, "request.too_large"])
      const typed = yield* post({ headers: { "content-type": "text/plain" }, body: "{}" })
      assert.deepStrictEqual([typed.status, typed.json.code], [415, "request.media_type"])
      assert.strictEqual(typed.headers["content-type"], "application/problem+json")
    })
  )

  const credentials = [
    { reason: "missing", authorization: undefined },
    { reason: "malformed", authorization: "Basic YTpi" },
    { reason: "malformed", authorization: `Bearer ${raw(tokens.good).slice(0, -1)}x` },
    { reason: "unknown", authorization: `Bearer ${raw(tokens.unknown)}` },
    { reason: "expired", authorization: `Bearer ${raw(tokens.expired)}` },
    { reason: "revoked", authorization: `Bearer ${raw(tokens.revoked)}` },
    { reason: "agent_disabled", authorization: `Bearer ${raw(tokens.agent_disabled)}` }
  ]

  it.effect.each(credentials)(
    "whatever is asked with a token that is $reason is HTTP 401 with a challenge",
    ({ reason, authorization }) =>
      Effect.gen(function* () {
        const { calls } = yield* Gateway
        const before = calls.length
        const asked: ReadonlyArray<Sent> = [
          ...everyMethod.map(({ revision, method }) => message(revision, method, paramsOf(method, revision))),
          message("2025-06-18", "tools/call", { name: "no_such_tool" }),
          message("2025-06-18", "nonsense"),
          message("2026-07-28", "nonsense"),
          { body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }) },
          { body: "[]" },
          { body: "{" },
          { body: JSON.stringify({ text: "x".repeat(300_000) }) },
          { headers: { "content-type": "text/plain" }, body: "{}" },
          { headers: { accept: "text/html" }, body: "{}" },
          { method: "GET" },
          { method: "DELETE" },
          { method: "PUT", body: "{}" }
        ]
        for (const sent of asked) {
          const reply = yield* post({ ...sent, headers: { ...sent.headers, authorization } })
          assert.strictEqual(reply.status, 401)
          assert.match(reply.headers["www-authenticate"] ?? "", /^Bearer /)
          assert.strictEqual(reply.headers["content-type"], "application/problem+json")
          assert.strictEqual(reply.json.code, `auth.${reason}`)
        }
        assert.strictEqual(calls.length, before)
      })
  )

  it.effect(
    "a dead token of an agent that is known goes on record under what was asked, and an unknown one does not",
    () =>
      Effect.gen(function* () {
        const asked: ReadonlyArray<readonly [action: string, sent: Sent]> = [
          ["initialize", message("2025-06-18", "initialize", paramsOf("initialize", "2025-06-18"))],
          ["tools/list", message("2026-07-28", "tools/list")],
          ["tools/call", message("2025-06-18", "tools/call", { name: "no_such_tool" })],
          ["mcp", message("2025-06-18", "x".repeat(1000))],
          ["mcp", { body: "{" }],
          ["mcp", { method: "GET" }]
        ]
        for (const [action, sent] of asked) {
          for (const [reason, events] of [
            ["revoked", 1],
            ["unknown", 0]
          ] as const) {
            const before = recorded.length
            yield* post({
              ...sent,
              headers: { ...sent.headers, authorization: `Bearer ${raw(tokens[reason])}` }
            })
            assert.strictEqual(recorded.length - before, events)
            if (events > 0) {
              const last = recorded.at(-1)
              assert.deepStrictEqual(
                [last?.action, last?.outcome, last?.reason, last?.via],
                [action, "denied", "auth.revoked", "mcp"]
              )
            }
          }
        }
      })
  )

  it.effect("a database that is out is 503 for all but a call of a tool, and never 401", () =>
    Effect.gen(function* () {
      const authorization = `Bearer ${raw(tokens.unavailable)}`
      for (const { revision, method } of everyMethod) {
        const { headers, body } = message(revision, method, paramsOf(method, revision))
        const reply = yield* post({ headers: { ...headers, authorization }, body })
        if (method === "tools/call") {
          const { error } = JSON.parse(reply.json.result.content[0].text)
          assert.deepStrictEqual([reply.status, error.kind, error.retryable], [200, "gateway", true])
        } else {
          assert.deepStrictEqual([reply.status, reply.json.code], [503, "gateway.unavailable"])
        }
      }
    })
  )

  it.effect("a token is looked up once, whatever is asked", () =>
    Effect.gen(function* () {
      const asked: ReadonlyArray<Sent> = [
        ...everyMethod.map(({ revision, method }) => message(revision, method, paramsOf(method, revision))),
        message("2025-06-18", "tools/call", { name: "refuses" }),
        { body: "{" },
        { method: "GET" }
      ]
      for (const sent of asked) {
        const before = lookUps.count
        yield* post(sent)
        assert.strictEqual(lookUps.count - before, 1)
      }
    })
  )

  it.effect.each(["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])("%s is 405 and names POST", (method) =>
    Effect.gen(function* () {
      const reply = yield* post({ method, headers: { "mcp-session-id": "made-up" } })
      assert.deepStrictEqual(
        [reply.status, reply.headers.allow, reply.json.code],
        [405, "POST", "request.method"]
      )
    })
  )

  it.effect(
    "a tool runs on its request's own fiber: it hears of a client that left, and may finish first",
    () =>
      Effect.gen(function* () {
        const { url } = yield* Gateway
        const { headers, body } = message("2025-06-18", "tools/call", { name: "waits" })
        const leaving = new AbortController()
        const gone = fetch(url, {
          method: "POST",
          headers: {
            ...headers,
            authorization: `Bearer ${raw(tokens.good)}`,
            "content-type": "application/json"
          },
          body,
          signal: leaving.signal
        }).catch((error: Error) => error.name)
        yield* Deferred.await(begun)
        leaving.abort()
        yield* Deferred.await(interrupted)
        yield* Deferred.await(carriedOn)
        assert.strictEqual(yield* Effect.promise(() => gone), "AbortError")
      })
  )

  it.effect("a session id that a client makes up is ignored, and never answered 404", () =>
    Effect.gen(function* () {
      const { headers, body } = message("2025-06-18", "tools/call", { name: "echo" })
      const reply = yield* post({ headers: { ...headers, "mcp-session-id": "made-up" }, body })
      assert.strictEqual(reply.status, 200)
      assert.isUndefined(reply.headers["mcp-session-id"])
    })
  )

  it.effect("a foreign Host or Origin is 403 before anything else, token or not", () =>
    Effect.gen(function* () {
      const { origin } = yield* Gateway
      const { body } = message("2025-06-18", "ping")
      for (const headers of [
        { host: "evil.example" },
        { origin: "http://evil.example" },
        { origin: "null" }
      ]) {
        for (const authorization of [undefined, `Bearer ${raw(tokens.good)}`]) {
          const before = lookUps.count
          const reply = yield* post({ headers: { ...headers, authorization }, body })
          assert.strictEqual(reply.status, 403)
          assert.match(reply.json.code, /^request\.(host|origin)$/)
          assert.strictEqual(lookUps.count, before)
        }
      }
      assert.strictEqual((yield* post({ headers: { origin }, body })).status, 200)
    })
  )
})
