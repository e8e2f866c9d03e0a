import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { HttpApi } from "effect/http-api"
import { fromBytes } from "../../src/domain/Token.ts"
import { AgentAccess, InternalAccess } from "../../src/http/api/Access.ts"
import { Api } from "../../src/http/api/Api.ts"
import { problems } from "../../src/http/Problem.ts"
import { type Answer, layer as gateway, operate, send } from "../support/http.ts"
import { owner } from "../support/tasker.ts"
import { sql, World } from "../support/world.ts"

interface Route {
  readonly method: string
  readonly path: string
  readonly access: "open" | "internal" | "agent"
}

const routes: Array<Route> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint: { method, path }, middleware }) => {
    const around = new Set([...middleware].map(({ key }) => key))
    const access = around.has(InternalAccess.key)
      ? "internal"
      : around.has(AgentAccess.key)
        ? "agent"
        : "open"
    routes.push({ method, path, access })
  }
})

const made = (path: string): string =>
  path
    .replace(":tool_name", "tasker_get_session")
    .replace(":owner_user_id", "someone")
    .replace(/:\w+/g, randomUUID())

const ask = ({ method, path }: Route, token: string | undefined) =>
  send(made(path), { method, token, ...(method === "GET" || method === "DELETE" ? {} : { body: {} }) })

const unknown = Redacted.value(fromBytes(new Uint8Array(32).fill(3)))

/** Of the reply to who may not pass. */
const refused = (answer: Answer, code: string) => {
  assert.deepStrictEqual([answer.status, answer.body.code], [401, code])
  assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer realm="tasker-codex-api"/)
  assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
}

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("the REST API", (it) => {
  it.effect("is open only where nothing can be learned or changed, but for whoever has a pairing code", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(
        routes.filter(({ access }) => access === "open").map(({ path }) => path),
        ["/healthz", "/readyz", "/api/v1/meta/capabilities", "/api/v1/pairing/redeem"]
      )
    })
  )

  it.effect.each(
    routes
      .filter(({ access }) => access === "internal")
      .map((route) => [`${route.method} ${route.path}`, route] as const)
  )("%s wants the internal token", ([, route]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agentToken = Redacted.value((yield* actor()).token)
      refused(yield* ask(route, undefined), "auth.missing")
      refused(yield* ask(route, "wrong"), "auth.unknown")
      refused(yield* ask(route, unknown), "auth.unknown")
      refused(yield* ask(route, agentToken), "auth.unknown")
    })
  )

  it.effect.each(
    routes
      .filter(({ access }) => access === "agent")
      .map((route) => [`${route.method} ${route.path}`, route] as const)
  )("%s wants a live agent token", ([, route]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const { agentId, token } = yield* actor()
      const mine = Redacted.value(token)
      const fresh = Effect.map(
        operate(`/api/v1/agents/${agentId}/tokens`, { body: { name: "another" } }),
        ({ body }) => body as { token: string; token_info: { id: string } }
      )
      refused(yield* ask(route, undefined), "auth.missing")
      refused(yield* ask(route, "an-internal-token"), "auth.malformed")
      refused(yield* ask(route, `${mine.slice(0, -1)}${mine.endsWith("0") ? "1" : "0"}`), "auth.malformed")
      refused(yield* ask(route, unknown), "auth.unknown")
      const revoked = yield* fresh
      yield* operate(`/api/v1/agents/${agentId}/tokens/${revoked.token_info.id}`, { method: "DELETE" })
      refused(yield* ask(route, revoked.token), "auth.revoked")
      const expired = yield* fresh
      yield* db`update tokens set expires_at = now() - interval '1 second' where id = ${expired.token_info.id}::uuid`
      refused(yield* ask(route, expired.token), "auth.expired")
      yield* operate(`/api/v1/agents/${agentId}`, { method: "PATCH", body: { status: "disabled" } })
      refused(yield* ask(route, mine), "auth.agent_disabled")
      const { body } = yield* operate(`/api/v1/agents/${agentId}/audit`)
      const reasons = body.events.filter(({ outcome }: { outcome: string }) => outcome === "denied")
      assert.deepStrictEqual(
        reasons.map(({ reason }: { reason: string }) => reason),
        ["auth.agent_disabled", "auth.expired", "auth.revoked"]
      )
    })
  )

  it.effect("shows an agent who it is, its tools and how to connect", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agentId, project, token } = yield* actor(["project:read", "issue:read"])
      const sent = { token: Redacted.value(token) }
      const session = (yield* send("/api/v1/agent-session", sent)).body
      assert.hasAllKeys(session, ["agent", "owner", "grants", "scopes", "token"])
      assert.strictEqual(session.agent.id, agentId)
      assert.deepStrictEqual(session.scopes, ["project:read", "issue:read"])
      const { tools } = (yield* send("/api/v1/tools", sent)).body
      const names = tools.map(({ name }: { name: string }) => name)
      assert.deepStrictEqual(names, [
        "tasker_get_session",
        "tasker_resolve_project",
        "tasker_get_project_context",
        "tasker_list_issues",
        "tasker_get_issue",
        "tasker_list_comments"
      ])
      const { setup } = (yield* send("/api/v1/agent-session/setup", sent)).body
      assert.deepStrictEqual(
        setup.tools.map(({ name }: { name: string }) => name),
        names
      )
      assert.strictEqual(setup.grants[0].project_id, project.project.id)
      assert.notInclude(JSON.stringify(setup), sent.token)
      assert.deepStrictEqual((yield* operate(`/api/v1/agents/${agentId}/setup`)).body, { setup })
    })
  )

  it.effect("gives the setup packet in Russian or English, and in no other language", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agentId, token } = yield* actor()
      const asked = (query: string) =>
        Effect.all([
          send(`/api/v1/agent-session/setup${query}`, { token: Redacted.value(token) }),
          operate(`/api/v1/agents/${agentId}/setup${query}`),
          operate(`/api/internal/v1/owners/${owner.id}/agents/${agentId}/setup${query}`)
        ])
      for (const { body } of yield* asked("?lang=ru")) {
        assert.include(body.setup.agents_md, "Карточки Tasker")
        assert.match(body.setup.clients.codex.login.next, /[а-я]/)
      }
      const [plain] = yield* asked("")
      for (const { body } of yield* asked("?lang=en")) assert.deepStrictEqual(body, plain?.body)
      assert.include(plain?.body.setup.agents_md, "Tasker cards")
      for (const query of ["?lang=de", "?lang=", "?lang=ru&lang=en"])
        for (const { body, status } of yield* asked(query))
          assert.deepStrictEqual([status, body.code], [422, "input.invalid"])
    })
  )

  it.effect("takes a write's key from the header or the body, and marks replays", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const { project, token } = yield* actor()
      const path = "/api/v1/tools/tasker_create_issue"
      const args = { project_id: project.project.id, name: "By REST" }
      const write = (idempotency_key: string | undefined, header: string | undefined) =>
        send(path, {
          token: Redacted.value(token),
          body: idempotency_key === undefined ? args : { ...args, idempotency_key },
          headers: header === undefined ? {} : { "Idempotency-Key": header }
        })
      const before = (yield* tasker.writes).length
      const first = yield* write(undefined, "rest-key-1")
      assert.strictEqual(first.status, 200)
      assert.isNull(first.headers.get("idempotent-replayed"))
      const second = yield* write("rest-key-1", "rest-key-1")
      assert.strictEqual(second.headers.get("idempotent-replayed"), "true")
      assert.deepStrictEqual(second.body, { ...first.body, replayed: true })
      const missing = yield* write(undefined, undefined)
      assert.deepStrictEqual([missing.status, missing.body.code], [400, "idempotency.key_missing"])
      const both = yield* write("rest-key-1", "rest-key-2")
      assert.deepStrictEqual([both.status, both.body.code], [400, "request.malformed"])
      assert.strictEqual((yield* tasker.writes).length, before + 1)
    })
  )

  it.effect("settles who calls before it says what is wrong with a body", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agentId, token } = yield* actor()
      const path = "/api/v1/tools/tasker_create_issue"
      const faulty = [
        { body: "{" },
        { body: "{}", headers: { "content-type": "text/plain" } },
        { body: { idempotency_key: "body-key-1" }, headers: { "Idempotency-Key": "header-key-1" } }
      ]
      const codes = (sent: string) =>
        Effect.forEach(faulty, (each) =>
          Effect.map(send(path, { token: sent, ...each }), ({ body }) => body.code)
        )
      const told = ["request.malformed", "request.media_type", "request.malformed"]
      assert.deepStrictEqual(yield* codes(Redacted.value(token)), told)
      assert.deepStrictEqual(yield* codes(unknown), Array(3).fill("auth.unknown"))
      const read = yield* send("/api/v1/tools/tasker_get_session", {
        token: Redacted.value(token),
        body: "{"
      })
      assert.strictEqual(read.body.code, "request.malformed")
      yield* operate(`/api/v1/agents/${agentId}`, { method: "PATCH", body: { status: "disabled" } })
      assert.deepStrictEqual(yield* codes(Redacted.value(token)), Array(3).fill("auth.agent_disabled"))
      const { body } = yield* operate(`/api/v1/agents/${agentId}/audit`)
      const trail = (body.events as Array<Record<string, string>>)
        .filter(({ via }) => via === "rest")
        .map(({ action, outcome, reason }) => `${action} ${outcome} ${reason}`)
      assert.deepStrictEqual(trail.reverse(), [
        ...told.map((code) => `tasker_create_issue failed ${code}`),
        ...Array(3).fill("tasker_create_issue denied auth.agent_disabled")
      ])
    })
  )

  it.effect("does not know a tool that is none, once it knows who asks", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const token = Redacted.value((yield* actor()).token)
      const answer = yield* send(`/api/v1/tools/${"x".repeat(128)}`, { token, body: {} })
      assert.deepStrictEqual([answer.status, answer.body.code], [404, "request.not_found"])
      refused(yield* send("/api/v1/tools/nothing", { token: unknown, body: {} }), "auth.unknown")
    })
  )

  it.effect("keeps secrets out of names, keys and what it says", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agentId, token } = yield* actor()
      const secret = Redacted.value(token)
      const agent = `/api/v1/agents/${agentId}`
      const answers = yield* Effect.all([
        operate(agent, { method: "PATCH", body: { display_name: `my ${secret}` } }),
        operate(agent, { method: "PATCH", body: { [secret]: 1 } }),
        operate(`${agent}/tokens`, { body: { name: secret } }),
        operate(`${agent}/tokens`, { body: { name: "x" }, headers: { "Idempotency-Key": secret } }),
        operate(`/api/v1/agents?${secret}=1`)
      ])
      for (const { body, status } of answers) {
        assert.deepStrictEqual([status, body.code], [422, "input.holds_secret"])
        assert.notInclude(JSON.stringify(body), secret)
      }
      const trail = yield* operate(`${agent}/audit`)
      assert.notInclude(JSON.stringify(trail.body), secret)
    })
  )

  it.effect.each([
    ["an empty update", {}, ""],
    ["a wrong type", { display_name: 1 }, "display_name"],
    ["an unknown field", { display_name: "a", nothing: 1 }, "nothing"],
    ["129 characters", { display_name: "x".repeat(129) }, "display_name"],
    ["an invisible character", { display_name: "a\u202eb" }, "display_name"],
    ["a state there is not", { status: "deleted" }, "status"]
  ] as const)("names the field at fault: %s", ([, body, path]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const answer = yield* operate(`/api/v1/agents/${(yield* actor()).agentId}`, { method: "PATCH", body })
      assert.deepStrictEqual([answer.status, answer.body.code], [422, "input.invalid"])
      assert.strictEqual(answer.body.errors[0].path, path)
    })
  )

  it.effect.each([
    ["a date that does not exist", "2027-02-30T00:00:00Z"],
    ["a time that does not exist", "2027-02-03T24:00:00Z"],
    ["a time without an offset", "2027-02-03T00:00:00"],
    ["the past", "2020-02-03T00:00:00Z"],
    ["a year that has five digits in UTC", "9999-12-31T23:59:59-14:00"]
  ])("refuses %s as an end", ([, expires_at]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const path = `/api/v1/agents/${(yield* actor()).agentId}/tokens`
      const answer = yield* operate(path, { body: { name: "x", expires_at } })
      assert.deepStrictEqual([answer.status, answer.body.errors?.[0]?.path], [422, "expires_at"])
      assert.strictEqual(
        (yield* operate(path, { body: { name: "x", expires_at: "2099-01-01T00:00:00Z" } })).status,
        201
      )
    })
  )

  it.effect("says how the gateway stands, and what it can do", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("/healthz")).body, { status: "ok" })
      const ready = yield* send("/readyz")
      assert.deepStrictEqual(ready.body, {
        status: "ready",
        checks: { database: "ok", migrations: "ok", tasker: "ok" },
        audit: ready.body.audit
      })
      assert.isAtLeast(ready.body.audit.unsealed_events, 0)
      assert.isAtLeast(ready.body.audit.oldest_unsealed_seconds, 0)
      const { body } = yield* send("/api/v1/meta/capabilities")
      assert.lengthOf(body.tools, 12)
      assert.lengthOf(body.scopes, 8)
      for (const { method, path } of routes) assert.deepInclude(body.endpoints, { method, path })
    })
  )

  it.effect("describes itself for programs and for people, from the same declaration", () =>
    Effect.gen(function* () {
      const { body: spec } = yield* send("/openapi.json")
      for (const { method, path } of routes) {
        const operation = spec.paths[path.replace(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()]
        assert.isDefined(operation, `${method} ${path}`)
        const declared = operation.parameters.filter(
          (parameter: { in: string }) => parameter.in === "path"
        ).length
        assert.strictEqual(declared, path.split(":").length - 1, path)
      }
      const docs = yield* send("/docs")
      assert.strictEqual(docs.status, 200)
      assert.match(
        docs.headers.get("content-security-policy") ?? "",
        /^default-src 'none'; style-src 'sha256-/
      )
      assert.notMatch(docs.body, /<script|https?:\/\/(?!json-schema)/)
      for (const code of Object.keys(problems)) assert.include(docs.body, `id="${code}"`)
      const elsewhere = yield* send("/docs", { headers: { origin: "https://evil.example" } })
      assert.deepStrictEqual([elsewhere.status, elsewhere.body.code], [403, "request.origin"])
    })
  )
})
