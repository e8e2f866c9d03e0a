import fs from "node:fs"
import { layer } from "@effect/vitest"
import { Effect } from "effect"
import { layer as gateway, operate, send } from "../support/http.ts"
import { call, World } from "../support/world.ts"
import { Redacted } from "effect"
layer(gateway, { timeout: "60 seconds", excludeTestServices: true })("explore", (it) => {
  it.effect("x", () => Effect.gen(function* () {
    const show = (a: any) => console.log(a.status, JSON.stringify(a.body).slice(0, 900), a.headers.get("x-request-id"))
    const { actor } = yield* World
    const a = yield* actor()
    const token = Redacted.value(a.token)
    const id = a.agentId
    for (const p of ["/healthz", "/readyz", "/api/v1/meta/capabilities"]) show(yield* send(p))
    show(yield* send("/api/v1/agent-session", { token }))
    show(yield* send("/api/v1/tools", { token }))
    const su = yield* send("/api/v1/agent-session/setup", { token }); console.log(su.body.setup.codex_config_toml, su.body.setup.codex_add_command, JSON.stringify(su.body.setup.grants))
    show(yield* operate(`/api/v1/agents/${id}/setup`))
    show(yield* send("/api/v1/tools/nope", { token, body: {} }))
    show(yield* send("/api/v1/tools/nope", { body: {} }))
    show(yield* send("/api/v1/tools/tasker_create_issue", { token, body: {} }))
    const w = { project_id: a.project.project.id, name: "x" }
    show(yield* send("/api/v1/tools/tasker_create_issue", { token, body: w, headers: { "idempotency-key": "abcdefgh1" } }))
    const rep = yield* send("/api/v1/tools/tasker_create_issue", { token, body: { ...w, idempotency_key: "abcdefgh1" }, headers: { "idempotency-key": "abcdefgh1" } }); show(rep); console.log([...rep.headers])
    show(yield* send("/api/v1/tools/tasker_create_issue", { token, body: { ...w, idempotency_key: "abcdefgh2" }, headers: { "idempotency-key": "abcdefgh1" } }))
    show(yield* send("/api/v1/tools/tasker_get_session", { token, body: {}, headers: { "idempotency-key": "abcdefgh1" } }))
    for (const body of [{}, { display_name: "" }, { display_name: "a\u0000b" }, { display_name: "a", x: 1 }, { status: "gone" }, [], null, "1", "", '{"a":1} {}', '{"display_name":"a","display_name":"b"}', { display_name: "x".repeat(129) }, { display_name: `my ${token}` }, { display_name: "   " }, {display_name: "a\u202eb"}])
      show(yield* operate(`/api/v1/agents/${id}`, { method: "PATCH", body: typeof body === "string" ? body : JSON.stringify(body) }))
    for (const body of [{}, { workspace_slug: "a b", project_id: "x", scopes: [], expires_at: "2026-02-30T00:00:00Z", max_writes_per_day: 0 }, { workspace_slug: "a", project_id: id, scopes: ["issue:delete"], expires_at: "2020-02-28T00:00:00Z" },{ workspace_slug: "a", project_id: id, scopes: ["issue:read"], expires_at: "2020-02-28T00:00:00Z" }])
      show(yield* operate(`/api/v1/agents/${id}/grants`, { body }))
    show(yield* operate(`/api/v1/agents`, { body: { owner_user_id: "", owner_email: "x", display_name: 1 } }))
    show(yield* operate(`/api/v1/agents/not-a-uuid`))
    show(yield* operate(`/api/v1/agents/${"x".repeat(128)}`))
    show(yield* operate(`/api/v1/agents/${id}`, { method: "PUT", body: {} }))
    show(yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "a" }, headers: { "idempotency-key": token } }))
    show(yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "a" }, headers: { "idempotency-key": "a b" } }))
    show(yield* operate(`/api/v1/agents/${id}/audit?limit=5`))
    show(yield* operate(`/api/v1/agents?cursor=${token}`))
    show(yield* send(`/api/v1/agents`)); show(yield* send(`/api/v1/agents`, { token }))
    show(yield* operate(`/api/internal/v1/owners/o/agents`, { body: { owner_user_id: "other", owner_email: "a@b", display_name: "x" } }))
    show(yield* operate(`/api/internal/v1/owners/o/agents`, { body: { owner_email: "a@b", display_name: "x" } }))
    const d = yield* send("/docs"); console.log(d.status, [...d.headers], d.body.length)
    const o = yield* send("/openapi.json"); console.log(o.status, JSON.stringify(o.body).length, Object.keys(o.body.paths)); console.log(JSON.stringify(o.body.paths["/api/v1/agents"].post, null, 1).slice(0, 3000))
    fs.writeFileSync("/tmp/openapi.json", JSON.stringify(o.body, null, 1)); fs.writeFileSync("/tmp/docs.html", d.body)
  }))
})
