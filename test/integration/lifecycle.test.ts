import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { layer as gateway, operate, send } from "../support/http.ts"

const newAgent = (owner = `owner-${randomUUID()}`) =>
  Effect.map(
    operate("/api/v1/agents", {
      body: { owner_user_id: owner, owner_email: "owner@example.test", display_name: "Codex" }
    }),
    ({ body }) => ({ id: body.agent.id as string, owner })
  )

const events = (id: string) =>
  Effect.map(operate(`/api/v1/agents/${id}/audit`), ({ body }) =>
    (body.events as Array<{ action: string; outcome: string; reason: string | null }>)
      .map(({ action, outcome, reason }) =>
        [action, outcome, reason].filter((part) => part !== null).join(" ")
      )
      .reverse()
  )

const terms = () => ({
  workspace_slug: "nodedc",
  project_id: randomUUID(),
  scopes: ["issue:read", "project:read"]
})

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("the lifecycle API", (it) => {
  it.effect("makes an agent, and shows it with its grants and tokens", () =>
    Effect.gen(function* () {
      const created = yield* operate("/api/v1/agents", {
        body: { owner_user_id: "Иван/1?", owner_email: "ivan@example.test", display_name: "Local Codex" }
      })
      assert.strictEqual(created.status, 201)
      assert.hasAllKeys(created.body.agent, [
        "id",
        "owner_user_id",
        "owner_email",
        "display_name",
        "status",
        "disabled_reason",
        "created_at",
        "updated_at"
      ])
      assert.strictEqual(created.body.agent.status, "active")
      const { id } = created.body.agent
      const granted = yield* operate(`/api/v1/agents/${id}/grants`, { body: terms() })
      assert.strictEqual(granted.status, 201)
      assert.deepStrictEqual(granted.body.grant.scopes, ["project:read", "issue:read"])
      const issued = yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "laptop" } })
      assert.strictEqual(issued.status, 201)
      assert.match(issued.body.token, /^ndcat_[0-9A-Za-z]{49}$/)

      const detail = yield* operate(`/api/v1/agents/${id}`)
      assert.deepStrictEqual(detail.body, {
        agent: created.body.agent,
        grants: [granted.body.grant],
        tokens: [issued.body.token_info]
      })
      const twin = yield* operate(`/api/internal/v1/owners/${encodeURIComponent("Иван/1?")}/agents/${id}`)
      assert.deepStrictEqual(twin.body, detail.body)
      assert.deepStrictEqual(yield* events(id), [
        "agent.created executed",
        "grant.created executed",
        "token.issued executed"
      ])
    })
  )

  it.effect("gives the live grant on a project new terms under the same id", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const first = terms()
      const granted = yield* operate(`/api/v1/agents/${id}/grants`, { body: first })
      const replaced = yield* operate(`/api/v1/agents/${id}/grants`, {
        body: {
          ...first,
          scopes: ["issue:read"],
          max_writes_per_day: 5,
          expires_at: "2099-01-31T12:00:00+03:00"
        }
      })
      assert.strictEqual(replaced.status, 201)
      assert.strictEqual(replaced.body.grant.id, granted.body.grant.id)
      assert.deepStrictEqual(replaced.body.grant.scopes, ["issue:read"])
      assert.strictEqual(replaced.body.grant.expires_at, "2099-01-31T09:00:00.000Z")
      const revoked = yield* operate(`/api/v1/agents/${id}/grants/${granted.body.grant.id}`, {
        method: "DELETE"
      })
      assert.strictEqual(revoked.status, 200)
      assert.isString(revoked.body.grant.revoked_at)
      const again = yield* operate(`/api/v1/agents/${id}/grants/${granted.body.grant.id}`, {
        method: "DELETE"
      })
      assert.deepStrictEqual(again.body, revoked.body)
      const anew = yield* operate(`/api/v1/agents/${id}/grants`, { body: first })
      assert.notStrictEqual(anew.body.grant.id, granted.body.grant.id)
      assert.deepStrictEqual(yield* events(id), [
        "agent.created executed",
        "grant.created executed",
        "grant.replaced executed",
        "grant.revoked executed",
        "grant.created executed"
      ])
    })
  )

  it.effect("answers the same key with the same resource, and refuses it for another request", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const headers = { "Idempotency-Key": "grant-once-1" }
      const body = terms()
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => operate(`/api/v1/agents/${id}/grants`, { body, headers })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(all.map(({ status }) => status)), new Set([201]))
      assert.strictEqual(new Set(all.map((answer) => answer.body.grant.id)).size, 1)
      const other = yield* operate(`/api/v1/agents/${id}/grants`, {
        body: { ...body, scopes: ["issue:read"] },
        headers
      })
      assert.deepStrictEqual([other.status, other.body.code], [422, "idempotency.key_reused"])
      assert.deepStrictEqual(yield* events(id), [
        "agent.created executed",
        "grant.created executed",
        "grant.created failed idempotency.key_reused"
      ])
    })
  )

  it.effect("never leaves an unknown live token behind a lost reply", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const sent = { body: { name: "laptop" }, headers: { "Idempotency-Key": "token-once-1" } }
      const first = yield* operate(`/api/v1/agents/${id}/tokens`, sent)
      const again = yield* operate(`/api/v1/agents/${id}/tokens`, sent)
      assert.deepStrictEqual([again.status, again.body.code], [409, "idempotency.already_created"])
      assert.deepStrictEqual(again.body.token_info, first.body.token_info)
      assert.strictEqual((yield* operate(`/api/v1/agents/${id}/tokens`)).body.tokens.length, 1)
    })
  )

  it.effect("stops a revoked token and a disabled agent's at once", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const one = (yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "one" } })).body
      const two = (yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "two" } })).body
      const session = yield* send("/api/v1/agent-session", { token: one.token })
      assert.strictEqual(session.status, 200)
      assert.deepStrictEqual(session.body.token, { id: one.token_info.id, name: "one", expires_at: null })
      yield* operate(`/api/v1/agents/${id}/tokens/${one.token_info.id}`, { method: "DELETE" })
      const revoked = yield* send("/api/v1/agent-session", { token: one.token })
      assert.deepStrictEqual([revoked.status, revoked.body.code], [401, "auth.revoked"])
      assert.include(revoked.headers.get("www-authenticate"), 'error="invalid_token"')
      yield* operate(`/api/v1/agents/${id}`, { method: "PATCH", body: { status: "disabled" } })
      const disabled = yield* send("/api/v1/agent-session", { token: two.token })
      assert.deepStrictEqual([disabled.status, disabled.body.code], [401, "auth.agent_disabled"])
      assert.deepStrictEqual(yield* events(id), [
        "agent.created executed",
        "token.issued executed",
        "token.issued executed",
        "token.revoked executed",
        "agent_session denied auth.revoked",
        "agent.disabled executed",
        "agent_session denied auth.agent_disabled"
      ])
    })
  )

  it.effect("does not find an agent of another owner", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const other = `/api/internal/v1/owners/someone-else/agents/${id}`
      const body = terms()
      const answers = yield* Effect.all([
        operate(other),
        operate(other, { method: "PATCH", body: { display_name: "Mine" } }),
        operate(`${other}/grants`),
        operate(`${other}/grants`, { body }),
        operate(`${other}/tokens`, { body: { name: "mine" } }),
        operate(`${other}/setup`),
        operate(`${other}/audit`)
      ])
      for (const { body, status } of answers)
        assert.deepStrictEqual([status, body.code], [404, "request.not_found"])
      assert.deepStrictEqual(yield* events(id), ["agent.created executed"])
    })
  )

  it.effect("leaves no event with anyone's agent for a path whose owner can be nobody", () =>
    Effect.gen(function* () {
      const { id } = yield* newAgent()
      const path = `/api/internal/v1/owners/${"x".repeat(129)}/agents/${id}`
      const answers = yield* Effect.all([
        operate(path, { method: "PATCH", body: { status: "disabled" } }),
        operate(`${path}/grants`, { body: terms() }),
        operate(`${path}/tokens/${randomUUID()}`, { method: "DELETE" })
      ])
      for (const { body, status } of answers)
        assert.deepStrictEqual([status, body.code], [404, "request.not_found"])
      assert.deepStrictEqual(yield* events(id), ["agent.created executed"])
    })
  )

  it.effect("counts characters, not what some of them take in memory", () =>
    Effect.gen(function* () {
      const owner = "🦊".repeat(128)
      const agent = { owner_email: "owner@example.test", display_name: "🐻".repeat(128) }
      const made = yield* operate("/api/v1/agents", { body: { ...agent, owner_user_id: owner } })
      assert.deepStrictEqual(
        [made.status, made.body.agent?.owner_user_id, made.body.agent?.display_name],
        [201, owner, agent.display_name]
      )
      const path = (of: string) => `/api/internal/v1/owners/${encodeURIComponent(of)}/agents`
      assert.deepStrictEqual((yield* operate(path(owner))).body.agents, [made.body.agent])
      assert.strictEqual((yield* operate(path(`${owner}🦊`))).status, 404)
      for (const [field, value] of [
        ["owner_user_id", `${owner}🦊`],
        ["display_name", "🐻".repeat(129)]
      ] as const) {
        const refused = yield* operate("/api/v1/agents", {
          body: { ...agent, owner_user_id: owner, [field]: value }
        })
        assert.deepStrictEqual([refused.status, refused.body.errors?.[0]?.path], [422, field])
      }
    })
  )

  it.effect.each(["\u0085", "\u202e", "\u200b", "\u2066", "\u{e0041}", "\ufeff"])(
    "refuses an e-mail address with what nobody can see in it: %j",
    (hidden) =>
      Effect.gen(function* () {
        const refused = yield* operate("/api/v1/agents", {
          body: {
            owner_user_id: "someone",
            owner_email: `own${hidden}er@example.test`,
            display_name: "Codex"
          }
        })
        assert.deepStrictEqual([refused.status, refused.body.errors?.[0]?.path], [422, "owner_email"])
      })
  )

  it.effect("disables all agents of one owner at once", () =>
    Effect.gen(function* () {
      const owner = `owner-${"ф".repeat(100)}-${randomUUID().slice(0, 8)}`
      const agents = yield* Effect.all([newAgent(owner), newAgent(owner), newAgent(owner)])
      const path = `/api/internal/v1/owners/${encodeURIComponent(owner)}`
      assert.deepStrictEqual((yield* operate(`${path}/disable-agents`, { method: "POST" })).body, {
        disabled: 3
      })
      assert.deepStrictEqual((yield* operate(`${path}/disable-agents`, { method: "POST" })).body, {
        disabled: 0
      })
      const listed = yield* operate(`${path}/agents`)
      assert.deepStrictEqual(
        listed.body.agents.map(({ status }: { status: string }) => status),
        ["disabled", "disabled", "disabled"]
      )
      assert.deepStrictEqual(yield* events(agents[0].id), [
        "agent.created executed",
        "agent.disabled executed"
      ])
    })
  )

  it.effect("lists page by page without losing or repeating one", () =>
    Effect.gen(function* () {
      const owner = `owner-${randomUUID()}`
      const made = yield* Effect.all(Array.from({ length: 7 }, () => newAgent(owner)))
      const seen: Array<string> = []
      let cursor: string | null = ""
      while (cursor !== null) {
        const query: string = cursor === "" ? "" : `&cursor=${cursor}`
        const page: { body: { agents: Array<{ id: string }>; next_cursor: string | null } } = yield* operate(
          `/api/internal/v1/owners/${owner}/agents?limit=3${query}`
        )
        seen.push(...page.body.agents.map(({ id }) => id))
        cursor = page.body.next_cursor
      }
      assert.deepStrictEqual(seen, made.map(({ id }) => id).reverse())
      for (const query of ["limit=0", "limit=101", "limit=x", "cursor=x", "limit=1&limit=2", "unknown=1"]) {
        const refused = yield* operate(`/api/v1/agents?${query}`)
        assert.deepStrictEqual([query, refused.status, refused.body.code], [query, 422, "input.invalid"])
      }
    })
  )
})
