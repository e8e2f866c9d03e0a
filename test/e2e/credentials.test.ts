import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { OpenApi } from "effect/http-api"
import { fromBytes } from "../../src/domain/Token.ts"
import { Api } from "../../src/http/api/Api.ts"
import { query } from "../support/database.ts"
import { type Agent, administer, auditOf, newAgent, Served, send, served } from "../support/served.ts"

/**
 * Every route × every kind of credential. The routes come from the OpenAPI document; which of them needs
 * what stands here, so a new route without its row fails.
 */

type Needs = "nothing" | "internal" | "agent"

const beside: Readonly<Record<string, Needs>> = {
  "POST /mcp": "agent",
  "GET /mcp": "agent",
  "DELETE /mcp": "agent",
  "GET /docs": "nothing",
  "GET /connect": "nothing",
  "GET /openapi.json": "nothing",
  "GET /.well-known/oauth-authorization-server": "nothing",
  "GET /.well-known/oauth-protected-resource": "nothing",
  "GET /.well-known/oauth-protected-resource/mcp": "nothing",
  "POST /oauth/register": "nothing",
  "GET /oauth/authorize": "nothing",
  "POST /oauth/authorize": "nothing",
  "POST /oauth/token": "nothing",
  "POST /oauth/revoke": "nothing"
}

const lifecycle = [
  "POST /agents",
  "GET /agents",
  "GET /agents/{agent_id}",
  "PATCH /agents/{agent_id}",
  "POST /agents/{agent_id}/grants",
  "GET /agents/{agent_id}/grants",
  "DELETE /agents/{agent_id}/grants/{grant_id}",
  "POST /agents/{agent_id}/tokens",
  "GET /agents/{agent_id}/tokens",
  "DELETE /agents/{agent_id}/tokens/{token_id}",
  "GET /agents/{agent_id}/setup",
  "GET /agents/{agent_id}/audit",
  "GET /agents/{agent_id}/timeline",
  "POST /agents/{agent_id}/pairing-codes",
  "GET /agents/{agent_id}/pairing-codes",
  "DELETE /agents/{agent_id}/pairing-codes/{pairing_code_id}",
  "GET /operations",
  "GET /operations/{operation_id}",
  "POST /operations/{operation_id}/settle"
]

const under = (prefix: string) =>
  Object.fromEntries(lifecycle.map((route) => [route.replace(" ", ` ${prefix}`), "internal" as const]))

const documented: Readonly<Record<string, Needs>> = {
  "GET /healthz": "nothing",
  "GET /readyz": "nothing",
  "GET /api/v1/meta/capabilities": "nothing",
  "GET /api/v1/agent-session": "agent",
  "GET /api/v1/agent-session/setup": "agent",
  "GET /api/v1/agent-session/operations/{idempotency_key}": "agent",
  "GET /api/v1/tools": "agent",
  "POST /api/v1/tools/{tool_name}": "agent",
  "POST /api/v1/pairing/redeem": "nothing",
  "GET /api/v1/audit/export": "internal",
  "GET /api/v1/audit/checkpoints/latest": "internal",
  "GET /api/v1/audit/keys": "internal",
  ...under("/api/v1"),
  ...under("/api/internal/v1/owners/{owner_user_id}"),
  "POST /api/internal/v1/owners/{owner_user_id}/disable-agents": "internal"
}

const spec = OpenApi.fromApi(Api)
const routesOf = (paths: object): ReadonlyArray<string> =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item as object).map((method) => `${method.toUpperCase()} ${path}`)
  )

const owner = "owner-of-the-matrix"

class Stage extends Context.Service<
  Stage,
  {
    readonly target: Agent
    readonly agents: Readonly<Record<string, Agent>>
    readonly before: unknown
    /** The refusals that the trail has to hold, as they were met. */
    readonly recorded: Array<string>
  }
>()("test/Stage") {}

/** All that the lifecycle API can say of an agent but its trail, to which refusals are added. */
const stateOf = (agent: Agent) => administer(`/api/v1/agents/${agent.id}`)

const stage = Layer.effect(
  Stage,
  Effect.gen(function* () {
    const who = { owner_user_id: owner, owner_email: "o@example.test" }
    const terms = { project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] }
    const agent = () => newAgent([terms], who)
    const agents = {
      live: yield* agent(),
      expired: yield* agent(),
      revoked: yield* agent(),
      disabled: yield* agent()
    }
    yield* query`update tokens set expires_at = now() - interval '1 second' where id = ${agents.expired.tokenId}::uuid`
    yield* administer(`/api/v1/agents/${agents.revoked.id}/tokens/${agents.revoked.tokenId}`, {
      method: "DELETE"
    })
    yield* administer(`/api/v1/agents/${agents.disabled.id}`, {
      method: "PATCH",
      body: { status: "disabled" }
    })
    const target = yield* agent()
    return Stage.of({ target, agents, before: yield* stateOf(target), recorded: [] })
  })
).pipe(Layer.provideMerge(served({ TRUSTED_PROXIES: "127.0.0.0/8, ::1" })))

const stranger = Redacted.value(fromBytes(new Uint8Array(32).fill(77)))

interface Presented {
  readonly authorization?: string | ReadonlyArray<string>
}
interface Tokens {
  readonly internal: string
  readonly live: string
  readonly expired: string
  readonly revoked: string
  readonly disabled: string
}

/** Each credential as it is sent, and what comes of it where an agent token, or the internal one, is needed. */
const credentials: Readonly<
  Record<
    string,
    { readonly agent: string; readonly internal: string; readonly sent: (of: Tokens) => Presented }
  >
> = {
  "no credential": { agent: "missing", internal: "missing", sent: () => ({}) },
  "an empty one": { agent: "missing", internal: "missing", sent: () => ({ authorization: "" }) },
  "a malformed one": { agent: "malformed", internal: "malformed", sent: () => ({ authorization: "Bearer" }) },
  "another scheme's": {
    agent: "malformed",
    internal: "malformed",
    sent: ({ live }) => ({ authorization: `Basic ${Buffer.from(`agent:${live}`).toString("base64")}` })
  },
  "a token with a wrong checksum": {
    agent: "malformed",
    internal: "unknown",
    sent: ({ live }) => ({ authorization: `Bearer ${live.slice(0, -1)}${live.endsWith("0") ? "1" : "0"}` })
  },
  "a token that nobody knows": {
    agent: "unknown",
    internal: "unknown",
    sent: () => ({ authorization: `Bearer ${stranger}` })
  },
  "an access token that nobody knows": {
    agent: "unknown",
    internal: "unknown",
    sent: () => ({
      authorization: `Bearer ${Redacted.value(fromBytes(new Uint8Array(32).fill(77), "access"))}`
    })
  },
  "a refresh token": {
    agent: "malformed",
    internal: "unknown",
    sent: () => ({
      authorization: `Bearer ${Redacted.value(fromBytes(new Uint8Array(32).fill(77), "refresh"))}`
    })
  },
  "an expired token": {
    agent: "expired",
    internal: "unknown",
    sent: ({ expired }) => ({ authorization: `Bearer ${expired}` })
  },
  "a revoked token": {
    agent: "revoked",
    internal: "unknown",
    sent: ({ revoked }) => ({ authorization: `Bearer ${revoked}` })
  },
  "a disabled agent's token": {
    agent: "agent_disabled",
    internal: "unknown",
    sent: ({ disabled }) => ({ authorization: `Bearer ${disabled}` })
  },
  "an agent's live token": {
    agent: "good",
    internal: "unknown",
    sent: ({ live }) => ({ authorization: `Bearer ${live}` })
  },
  "an agent's live token under a lower-case scheme": {
    agent: "good",
    internal: "unknown",
    sent: ({ live }) => ({ authorization: `bearer ${live}` })
  },
  "the internal token": {
    agent: "malformed",
    internal: "good",
    sent: ({ internal }) => ({ authorization: `Bearer ${internal}` })
  },
  "the internal token under a lower-case scheme": {
    agent: "malformed",
    internal: "good",
    sent: ({ internal }) => ({ authorization: `bearer ${internal}` })
  },
  "the right token in two headers": {
    agent: "malformed",
    internal: "malformed",
    sent: ({ internal, live }) => ({ authorization: [`Bearer ${live}`, `Bearer ${internal}`] })
  }
}

const rows = Object.entries({ ...beside, ...documented }).flatMap(([route, needs]) =>
  Object.keys(credentials).map((credential) => ({ route, needs, credential }))
)

/** The route with ids of something that is there: what is refused must not be refused for want of it. */
const pathOf = (route: string, target: Agent) =>
  route
    .replace(/^\S+ /, "")
    .replace("{owner_user_id}", owner)
    .replace("{agent_id}", target.id)
    .replace("{grant_id}", target.grantIds[0] ?? "")
    .replace("{token_id}", target.tokenId)
    .replace("{tool_name}", "tasker_get_session")
    .replace("{operation_id}", randomUUID())
    .replace("{pairing_code_id}", randomUUID())
    .replace("{idempotency_key}", randomUUID())

/** Some private address. */
const addressOf = (requestId: string): string =>
  `10.${[0, 2, 4].map((at) => Number.parseInt(requestId.slice(at, at + 2), 16)).join(".")}`

/** The same, with ids of nothing: with a good credential nothing shall come of it either. */
const nowhere = (route: string) =>
  pathOf(route.replace("{owner_user_id}", randomUUID()), {
    id: randomUUID(),
    token: "",
    tokenId: randomUUID(),
    grantIds: [randomUUID()]
  })

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("every route", (it) => {
  it.effect("has its row here, and says in the document which credential it needs", () =>
    Effect.gen(function* () {
      const document = yield* send("/openapi.json")
      assert.deepStrictEqual(document.json.paths, JSON.parse(JSON.stringify(spec.paths)))
      assert.sameMembers([...routesOf(document.json.paths)], Object.keys(documented))
      const { json } = yield* send("/api/v1/meta/capabilities")
      const named = (json.endpoints as ReadonlyArray<{ method: string; path: string }>).map(
        ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`
      )
      assert.sameMembers(named, [
        ...Object.keys(documented),
        ...Object.keys(beside).filter((route) => route !== "GET /mcp" && route !== "DELETE /mcp")
      ])
      for (const [route, needs] of Object.entries(documented)) {
        const [method = "", path = ""] = route.split(" ")
        const { security } = document.json.paths[path][method.toLowerCase()]
        const due = { nothing: [], internal: [{ internalToken: [] }], agent: [{ agentToken: [] }] }[needs]
        assert.deepStrictEqual(security, due, route)
      }
    })
  )

  it.effect.each(rows)("$route takes $credential as it should", ({ route, needs, credential }) =>
    Effect.gen(function* () {
      const { agents, recorded, target } = yield* Stage
      const { internalToken } = yield* Served
      const kind = credentials[credential]
      if (kind === undefined) return yield* Effect.die(credential)
      const tokens = Object.fromEntries(Object.entries(agents).map(([name, { token }]) => [name, token]))
      const { authorization } = kind.sent({ internal: internalToken, ...tokens } as unknown as Tokens)
      const due = needs === "nothing" ? "good" : kind[needs]
      const method = route.split(" ")[0] ?? "GET"
      const requestId = randomUUID()
      const reply = yield* send(due === "good" ? nowhere(route) : pathOf(route, target), {
        method,
        // Each from an address of its own: one stranger's would be too many requests in a minute.
        headers: { "x-request-id": requestId, authorization, "x-forwarded-for": addressOf(requestId) },
        ...(method === "POST" || method === "PATCH" ? { body: {} } : {})
      })
      assert.strictEqual(reply.headers["x-request-id"], requestId)
      if (due === "good") {
        assert.notInclude([401, 403, 500], reply.status)
        return
      }
      assert.strictEqual(reply.status, 401)
      assert.strictEqual(reply.json.code, `auth.${due}`)
      assert.strictEqual(reply.json.request_id, requestId)
      assert.match(String(reply.headers["content-type"]), /^application\/problem\+json/)
      const challenge = String(reply.headers["www-authenticate"])
      assert.match(challenge, /^Bearer /)
      assert.strictEqual(challenge.includes('error="invalid_token"'), due !== "missing")
      const holder = { expired: "expired", revoked: "revoked", agent_disabled: "disabled" }[due]
      if (needs === "agent" && holder !== undefined)
        recorded.push(`${requestId} ${holder} denied auth.${due}`)
    })
  )

  it.effect("has put each use of a dead token that it knows on record, and nothing else", () =>
    Effect.gen(function* () {
      const { agents, recorded } = yield* Stage
      const trails = yield* Effect.forEach(Object.entries(agents), ([name, { id }]) =>
        Effect.map(auditOf(id), (events) =>
          events
            .filter(({ via }) => via !== "admin")
            .map(({ outcome, reason, request_id }) => `${request_id} ${name} ${outcome} ${reason}`)
        )
      )
      assert.isAbove(recorded.length, 20)
      assert.sameMembers(trails.flat(), [...recorded])
    })
  )

  it.effect("has changed nothing by all that it was refused", () =>
    Effect.gen(function* () {
      const { before, target } = yield* Stage
      assert.deepStrictEqual(yield* stateOf(target), before)
      const { agents } = yield* administer(`/api/internal/v1/owners/${owner}/agents?limit=100`)
      assert.strictEqual(agents.length, 5)
    })
  )

  it.effect("looks for a credential in the Authorization header alone", () =>
    Effect.gen(function* () {
      const { agents } = yield* Stage
      const { token = "" } = agents.live ?? {}
      const inQuery = yield* send(`/api/v1/agent-session?access_token=${token}`)
      assert.strictEqual(inQuery.json.code, "auth.missing")
      const inCookie = yield* send("/api/v1/agent-session", { headers: { cookie: `token=${token}` } })
      assert.strictEqual(inCookie.json.code, "auth.missing")
      const inForm = yield* send("/api/v1/tools/tasker_get_session", {
        body: `access_token=${token}`,
        headers: { "content-type": "application/x-www-form-urlencoded" }
      })
      assert.strictEqual(inForm.json.code, "auth.missing")
    })
  )
})
