import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { tools } from "../../src/tools/registry.ts"
import { administer, auditOf, newAgent, send, withoutTasker } from "../support/served.ts"
import { call, post } from "../support/tool-calls.ts"
import { writes } from "../support/tool-rows.ts"

/** `npm run smoke:mcp`: the boundary of `/mcp`, up to where Tasker begins. No Tasker is named to this gateway. */

const projectId = randomUUID()
const granted = (...scopes: ReadonlyArray<string>) =>
  newAgent([{ project_id: projectId, workspace_slug: "nodedc", scopes }])

const hello = (protocolVersion: string) => ({
  protocolVersion,
  capabilities: {},
  clientInfo: { name: "smoke", version: "1.0.0" }
})

const card = { project_id: projectId, name: "A card", idempotency_key: "smoke-mcp-1" }

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("/mcp", (it) => {
  it.effect.each(["2025-03-26", "2025-06-18", "2025-11-25"])(
    "shakes hands in %s and mints no session",
    (revision) =>
      Effect.gen(function* () {
        const { token } = yield* granted("issue:read")
        const reply = yield* post(token, "initialize", hello(revision), {
          headers: { "mcp-protocol-version": undefined }
        })
        assert.strictEqual(reply.status, 200)
        assert.match(String(reply.headers["content-type"]), /^application\/json/)
        assert.strictEqual(reply.json.result.protocolVersion, revision)
        assert.deepStrictEqual(reply.json.result.capabilities, { tools: {} })
        assert.include(reply.json.result.instructions, "idempotency_key")
        assert.isUndefined(reply.headers["mcp-session-id"])
      })
  )

  it.effect("lists the tools that the grants allow, and those alone", () =>
    Effect.gen(function* () {
      const { token } = yield* granted("issue:create", "project:read")
      const { json } = yield* post(token, "tools/list")
      assert.deepStrictEqual(
        json.result.tools.map(({ name }: { name: string }) => name),
        tools
          .filter(({ scope }) => scope === null || ["issue:create", "project:read"].includes(scope))
          .map(({ name }) => name)
      )
    })
  )

  it.effect("lets nobody in without a bearer token, and says how to bring one", () =>
    Effect.gen(function* () {
      for (const method of ["initialize", "tools/list", "tools/call"]) {
        const reply = yield* post(undefined, method, { name: "tasker_get_session" })
        assert.strictEqual(reply.status, 401)
        assert.match(String(reply.headers["www-authenticate"]), /^Bearer realm=/)
        assert.strictEqual(reply.json.code, "auth.missing")
      }
    })
  )

  it.effect("stops a token at once when it is revoked", () =>
    Effect.gen(function* () {
      const { id, token, tokenId } = yield* granted("issue:read")
      assert.strictEqual((yield* post(token, "tools/list")).status, 200)
      yield* administer(`/api/v1/agents/${id}/tokens/${tokenId}`, { method: "DELETE" })
      const reply = yield* post(token, "tools/list")
      assert.strictEqual(reply.status, 401)
      assert.strictEqual(reply.json.code, "auth.revoked")
    })
  )

  it.effect("refuses a call whose scope or grant is missing, and says which and who can give it", () =>
    Effect.gen(function* () {
      const { token } = yield* granted("issue:read")
      const scopeless = yield* call("mcp", token, "tasker_create_issue", card)
      assert.strictEqual(scopeless.code, "grant.scope_missing")
      assert.strictEqual(scopeless.error.required_scope, "issue:create")
      assert.match(scopeless.error.message, /owner/)
      const elsewhere = yield* call("mcp", token, "tasker_list_issues", { project_id: randomUUID() })
      assert.strictEqual(elsewhere.code, "grant.no_grant")
    })
  )

  it.effect("wants an idempotency key for every write", () =>
    Effect.gen(function* () {
      const { id, token } = yield* newAgent([])
      const writers = tools.filter(writes)
      for (const { name } of writers) {
        const { code } = yield* call("mcp", token, name, { project_id: projectId })
        assert.strictEqual(code, "idempotency.key_missing", name)
      }
      const events = yield* auditOf(id)
      assert.strictEqual(events.filter(({ outcome }) => outcome === "denied").length, writers.length)
    })
  )

  it.effect("says of every call that needs Tasker that there is none, and uses no key up", () =>
    Effect.gen(function* () {
      const { id, token } = yield* granted("issue:create", "issue:read", "project:read")
      for (const [name, args] of [
        ["tasker_resolve_project", { identifier: "OPS" }],
        ["tasker_get_project_context", { project_id: projectId }],
        ["tasker_list_issues", { project_id: projectId }],
        ["tasker_create_issue", { ...card, state: "Todo" }],
        ["tasker_create_issue", card],
        ["tasker_create_issue", { ...card, name: "The same key for another card" }]
      ] as const) {
        const { code, error } = yield* call("mcp", token, name, args)
        assert.strictEqual(code, "tasker.unavailable", name)
        assert.include(error.message, "NODEDC_TASKER_INTERNAL_URL")
      }
      const session = yield* call("mcp", token, "tasker_get_session", {})
      assert.strictEqual(session.content.grants[0].project_id, projectId)
      const writing = (yield* auditOf(id)).filter(({ via }) => via === "mcp")
      assert.deepStrictEqual(
        writing.map(({ outcome, reason }) => `${outcome} ${reason}`),
        Array.from({ length: 3 }, () => "failed tasker.unavailable")
      )
      const ready = yield* send("/readyz")
      assert.strictEqual(ready.status, 200)
      assert.strictEqual(ready.json.status, "degraded")
      assert.strictEqual(ready.json.checks.tasker, "unconfigured")
    })
  )
})
