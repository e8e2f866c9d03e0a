import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { exchange } from "../support/raw-http.ts"
import { operate, ReferenceTasker, type Sent, Served, send } from "../support/served.ts"
import { Stage, layer as stage } from "../support/stage.ts"

/** Bodies that no client of good will sends, through every door that takes one: a clear refusal, and nothing changed. */

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

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("a request", (it) => {
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
