import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { problems } from "../../src/http/Problem.ts"
import { tools } from "../../src/tools/registry.ts"
import { newAgent, Served, send, withoutTasker } from "../support/served.ts"
import { call } from "../support/tool-calls.ts"
import { writes } from "../support/tool-rows.ts"

/** `npm run smoke:gateway`: the boundary of REST, which is `/mcp`'s own tools in other clothes. */

const projectId = randomUUID()
const granted = (...scopes: ReadonlyArray<string>) =>
  newAgent([{ project_id: projectId, workspace_slug: "nodedc", scopes }])

const card = { project_id: projectId, name: "A card", idempotency_key: "smoke-gateway-1" }

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("the REST API", (it) => {
  it.effect("is open where it says so: health, readiness, capabilities, documents", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("/healthz")).json, { status: "ok" })
      const ready = yield* send("/readyz")
      assert.deepStrictEqual([ready.status, ready.json.status], [200, "degraded"])
      const { json } = yield* send("/api/v1/meta/capabilities")
      assert.deepStrictEqual(
        json.tools,
        tools.map(({ name }) => name)
      )
      assert.match((yield* send("/openapi.json")).json.openapi, /^3\./)
      const docs = yield* send("/docs")
      assert.match(String(docs.headers["content-type"]), /^text\/html/)
      for (const code of Object.keys(problems)) assert.include(docs.text, `id="${code}"`)
    })
  )

  it.effect("shows an agent who it is, its tools and its setup, and never its token", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const { id, token } = yield* granted("issue:read")
      const session = yield* send("/api/v1/agent-session", { token })
      assert.strictEqual(session.json.agent.id, id)
      assert.deepStrictEqual(session.json.scopes, ["issue:read"])
      const setup = yield* send("/api/v1/agent-session/setup", { token })
      assert.strictEqual(setup.json.setup.mcp_endpoint, `${url}/mcp`)
      assert.include(setup.json.setup.agents_md, "idempotency_key")
      assert.include(setup.text, "<AGENT_TOKEN>")
      const listed = yield* send("/api/v1/tools", { token })
      assert.deepStrictEqual(
        listed.json.tools.map(({ name }: { name: string }) => name),
        ["tasker_get_session", "tasker_list_issues", "tasker_get_issue", "tasker_list_comments"]
      )
      for (const reply of [session, setup, listed]) assert.notInclude(reply.text, token)
    })
  )

  it.effect("refuses by problem documents with the status of their code", () =>
    Effect.gen(function* () {
      const { token } = yield* granted("issue:read")
      for (const [name, args, code] of [
        ["tasker_create_issue", card, "grant.scope_missing"],
        ["tasker_list_issues", { project_id: randomUUID() }, "grant.no_grant"],
        ["tasker_list_issues", { project_id: "OPS" }, "input.invalid"],
        ["tasker_list_issues", { project_id: projectId }, "tasker.unavailable"]
      ] as const) {
        const { reply } = yield* call("rest", token, name, args)
        assert.strictEqual(reply.json.code, code)
        assert.strictEqual(reply.status, problems[code].status)
        assert.strictEqual(reply.json.status, problems[code].status)
        assert.match(String(reply.headers["content-type"]), /^application\/problem\+json/)
      }
      assert.strictEqual((yield* call("rest", undefined, "tasker_list_issues", {})).code, "auth.missing")
      const unknown = yield* call("rest", token, "tasker_delete_issue", {})
      assert.deepStrictEqual([unknown.status, unknown.code], [404, "request.not_found"])
    })
  )

  it.effect("wants an idempotency key for every write, in the body or as a header", () =>
    Effect.gen(function* () {
      const { token } = yield* granted("issue:create")
      for (const { name } of tools.filter(writes)) {
        const { code, status } = yield* call("rest", token, name, { project_id: projectId })
        assert.deepStrictEqual([status, code], [400, "idempotency.key_missing"], name)
      }
      const { idempotency_key, ...keyless } = card
      const header = { "idempotency-key": idempotency_key }
      for (const [args, headers] of [
        [card, {}],
        [keyless, header],
        [card, header]
      ] as const) {
        const { code } = yield* call("rest", token, "tasker_create_issue", args, headers)
        assert.strictEqual(code, "tasker.unavailable")
      }
    })
  )
})
