import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { onDatabase } from "../support/database.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { type PostgresProxy, postgresProxy } from "../support/postgres-proxy.ts"
import { newAgent, operate, type Sent, Served, send, start } from "../support/served.ts"

class Database extends Context.Service<Database, PostgresProxy>()("test/strangers/Database") {}

/** A gateway behind a proxy on this machine, so that a test may come from any address. */
const gateway = Layer.effectContext(
  Effect.gen(function* () {
    const { url: databaseUrl } = yield* freshDatabase
    const database = yield* postgresProxy(databaseUrl)
    const internalToken = secret()
    const url = yield* start({
      DATABASE_URL: database.url,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      TRUSTED_PROXIES: "127.0.0.1",
      RATE_LIMIT_READS_PER_MINUTE: "0"
    })
    return Context.make(Served, Served.of({ url, internalToken, databaseUrl })).pipe(
      Context.add(Database, database)
    )
  })
)

/** A token that looks right and that nobody was ever given. */
const guessed = () => Redacted.value(fromBytes(randomBytes(32)))

const from = (address: string, path: string, sent: Sent = {}) =>
  send(path, { ...sent, headers: { "x-forwarded-for": address, ...sent.headers } })

const statuses = (times: number, one: ReturnType<typeof from>) =>
  Effect.map(
    Effect.all(
      Array.from({ length: times }, () => one),
      { concurrency: 16 }
    ),
    (replies) => {
      const counts: Record<number, number> = {}
      for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
      return counts
    }
  )

/** Asks until it is refused for how often it did; an allowance comes back while a busy machine takes its time. */
const spend = (one: ReturnType<typeof from>) =>
  Effect.gen(function* () {
    let looked = 0
    for (let round = 0; round < 100; round++) {
      const counts = yield* statuses(50, one)
      looked += 50 - (counts[429] ?? 0)
      if (counts[429] !== undefined) return looked
    }
    return yield* Effect.die(new Error("5,000 requests went by without a refusal"))
  })

const guess = (address: string) => Effect.suspend(() => from(address, "/mcp", { body: {}, token: guessed() }))

/** Spends an address's allowance on what can't be a token, which is refused soonest. */
const spent = (address: string) => spend(from(address, "/mcp", { body: {}, token: "no-token" }))

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("who guesses tokens", (it) => {
  it.effect("is soon answered 429 without a look at the database, and told when to come back", () =>
    Effect.gen(function* () {
      const database = yield* Database
      assert.isAtLeast(yield* spend(guess("203.0.113.1")), 600)
      yield* database.executed
      const replies = yield* Effect.all(
        Array.from({ length: 100 }, () => guess("203.0.113.1")),
        { concurrency: 16 }
      )
      const refused = replies.filter(({ status }) => status === 429)
      assert.isNotEmpty(refused)
      for (const { headers, json } of refused) {
        assert.strictEqual(json.code, "limit.rate")
        assert.isTrue(json.retryable)
        assert.strictEqual(headers["content-type"], "application/problem+json")
        assert.match(headers["retry-after"] ?? "", /^[1-3]$/)
        assert.strictEqual(headers["ratelimit-policy"], '"unauthenticated";q=600;w=60')
        assert.strictEqual(headers.ratelimit, `"unauthenticated";r=0;t=${headers["retry-after"]}`)
      }
      const asked = (yield* database.executed).filter((text) => text.includes("tokens"))
      assert.isAtMost(asked.length, replies.length - refused.length)
    })
  )

  it.effect("is counted also where they hang up and wait for no answer", () =>
    Effect.gen(function* () {
      const served = yield* Served
      const { databaseUrl, url } = served
      const { hostname, port } = new URL(url)
      /** As many guesses in one go as a connection takes, and nobody who reads the answers. */
      const guesses = (times: number) =>
        Effect.callback<Socket>((resume) => {
          const socket = connect(Number(port), hostname, () => {
            const heads = Array.from(
              { length: times },
              () =>
                `GET /mcp HTTP/1.1\r\nHost: ${hostname}\r\nX-Forwarded-For: 203.0.113.20\r\nAuthorization: Bearer ${guessed()}\r\n\r\n`
            )
            socket.write(heads.join(""), () => resume(Effect.succeed(socket)))
          })
        })
      // While the tokens are locked nobody finds out who asks, so that all of them are still on their way.
      yield* onDatabase(databaseUrl, (sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`lock table tokens in access exclusive mode`
            const sockets = yield* Effect.forEach(Array.from({ length: 70 }), () => guesses(10))
            yield* from("203.0.113.20", "/openapi.json").pipe(
              Effect.repeat({ until: ({ status }) => status === 429, times: 500 })
            )
            for (const socket of sockets) socket.destroy()
          }).pipe(Effect.provideService(Served, served))
        )
      )
      const counts = yield* statuses(100, from("203.0.113.20", "/openapi.json"))
      assert.isAtLeast(counts[429] ?? 0, 1)
    })
  )

  it.effect("is answered of the process's life, however often, and holds nobody else up", () =>
    Effect.gen(function* () {
      yield* spent("203.0.113.2")
      assert.deepStrictEqual(yield* statuses(100, from("203.0.113.2", "/healthz")), { 200: 100 })
      assert.deepStrictEqual(yield* statuses(100, from("203.0.113.2", "/readyz")), { 200: 100 })
      assert.strictEqual((yield* from("203.0.113.3", "/mcp", { body: {} })).status, 401)
      assert.strictEqual((yield* from("203.0.113.3", "/docs")).status, 200)
    })
  )

  it.effect("does not lock out an agent or Tasker's backend behind the same address", () =>
    Effect.gen(function* () {
      const agent = yield* newAgent([])
      const session = from("203.0.113.4", "/api/v1/agent-session", { token: agent.token })
      assert.strictEqual((yield* session).status, 200)
      const { internalToken } = yield* Served
      const agents = from("203.0.113.4", "/api/v1/agents", { token: internalToken })
      assert.strictEqual((yield* agents).status, 200)
      yield* spent("203.0.113.4")
      assert.deepStrictEqual(yield* statuses(50, session), { 200: 50 })
      assert.deepStrictEqual(yield* statuses(50, agents), { 200: 50 })
    })
  )

  it.effect(
    "is what an agent is taken for once its token was revoked: nothing but that is remembered of it",
    () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        const session = from("203.0.113.5", "/api/v1/agent-session", { token: agent.token })
        assert.strictEqual((yield* session).status, 200)
        yield* spent("203.0.113.5")
        yield* operate(`/api/v1/agents/${agent.id}/tokens/${agent.tokenId}`, { method: "DELETE" })
        const refused = yield* session
        assert.deepStrictEqual([refused.status, refused.json.code], [401, "auth.revoked"])
        const counts = yield* statuses(50, session)
        assert.isUndefined(counts[200])
        assert.isAtLeast(counts[429] ?? 0, 1)
      })
  )
})

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("who has no token", (it) => {
  it.effect("finds out how to log in hundreds of times a minute, and is no flood all the same", () =>
    Effect.gen(function* () {
      const found = yield* statuses(600, from("203.0.113.6", "/mcp"))
      assert.deepStrictEqual(found, { 401: 600 })
      yield* spend(from("203.0.113.6", "/mcp", { body: {} }))
    })
  )

  it.effect("shares what is open to all with those of its own IPv6 network", () =>
    Effect.gen(function* () {
      yield* spend(from("2001:db8:1:2::1", "/healthzz"))
      const same = yield* statuses(50, from("2001:db8:1:2:ffff::1", "/openapi.json"))
      assert.isAtLeast(same[429] ?? 0, 1)
      assert.deepStrictEqual(yield* statuses(50, from("2001:db8:1:3::1", "/openapi.json")), { 200: 50 })
    })
  )

  it.effect("can't choose its address by what it says of those before it", () =>
    Effect.gen(function* () {
      let told = 0
      yield* spend(Effect.suspend(() => from(`198.18.${told >> 8}.${told++ & 255}, 203.0.113.7`, "/mcp")))
    })
  )
})

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("agents that are new here", (it) => {
  it.effect("may all come at once from one address, since what is good is not counted", () =>
    Effect.gen(function* () {
      const agent = yield* newAgent([
        { project_id: crypto.randomUUID(), workspace_slug: "nodedc", scopes: allScopes }
      ])
      const counts = yield* statuses(
        700,
        from("203.0.113.8", "/api/v1/agent-session", { token: agent.token })
      )
      assert.deepStrictEqual(counts, { 200: 700 })
      assert.strictEqual((yield* from("203.0.113.8", "/mcp")).status, 401)
    })
  )
})
