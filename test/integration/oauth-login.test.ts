import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { query } from "../support/database.ts"
import {
  consented,
  exchange,
  locationOf,
  logIn,
  newClient,
  newOwned,
  newRequest,
  opens
} from "../support/oauth.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newPairingCode, shown } from "../support/pairing.ts"
import { administer, auditOf, newAgent, Served, send, withoutTasker } from "../support/served.ts"

const listed = (agentId: string) =>
  Effect.map(administer(`/api/v1/agents/${agentId}/tokens`), ({ tokens }) => tokens)

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("a login", (it) => {
  it.effect("goes from a pairing code to tokens that act as the agent", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      assert.match(login.access, /^ndcao_[0-9A-Za-z]{49}$/)
      assert.match(login.refresh, /^ndcar_[0-9A-Za-z]{49}$/)
      assert.strictEqual(login.scope, allScopes.join(" "))
      const session = yield* send("/api/v1/agent-session", { token: login.access })
      assert.strictEqual(session.json.agent.id, login.agent.id)
      assert.deepStrictEqual(session.json.scopes, allScopes)
      assert.strictEqual(session.json.token.name, "Test Codex")
      const [oauth, agent] = yield* listed(login.agent.id)
      assert.deepInclude(oauth, {
        id: session.json.token.id,
        kind: "oauth",
        name: "Test Codex",
        scopes: allScopes
      })
      assert.deepInclude(agent, { kind: "agent", scopes: null })
      const acts = (yield* auditOf(login.agent.id)).map(({ action, via }) => `${action} ${via}`)
      assert.includeMembers(acts, ["pairing_code.used rest", "oauth.allowed rest", "oauth.login rest"])
    })
  )

  it.effect("gives what was asked, is granted and is ticked: the least of the three", () =>
    Effect.gen(function* () {
      const agent = yield* newOwned(["project:read", "issue:read", "issue:create"])
      const login = yield* logIn({
        agent,
        parameters: { scope: "issue:read issue:create issue:move something:else" },
        filled: { scope: ["issue:read", "issue:move", "project:read"] }
      })
      assert.strictEqual(login.scope, "issue:read")
      const reply = yield* send("/mcp", {
        token: login.access,
        headers: { accept: "application/json, text/event-stream" },
        body: { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }
      })
      const names = reply.json.result.tools.map(({ name }: { name: string }) => name)
      assert.sameMembers(names, [
        "tasker_get_session",
        "tasker_list_issues",
        "tasker_get_issue",
        "tasker_list_comments"
      ])
    })
  )

  it.effect("is refused by the tool itself what its owner did not tick, reads and writes alike", () =>
    Effect.gen(function* () {
      const project_id = randomUUID()
      const agent = yield* newAgent([{ project_id, workspace_slug: "nodedc", scopes: allScopes }])
      const { access } = yield* logIn({ agent, filled: { scope: ["issue:read"] } })
      const call = (token: string, tool: string, args: object) =>
        send(`/api/v1/tools/${tool}`, { token, body: { project_id, ...args } })
      const write = { name: "A card", idempotency_key: "not-ticked-1" }
      for (const [tool, args] of [
        ["tasker_get_project_context", {}],
        ["tasker_create_issue", write]
      ] as const) {
        const refused = yield* call(access, tool, args)
        assert.deepStrictEqual([refused.status, refused.json.code], [403, "grant.scope_missing"])
        assert.include(refused.json.detail, "login")
      }
      // The agent's own token is not narrowed by that: it gets as far as Tasker, which is not there.
      const own = yield* call(agent.token, "tasker_create_issue", write)
      assert.strictEqual(own.json.code, "tasker.unavailable")
    })
  )

  it.effect("never outgrows its grants, and holds for those that come later within what was ticked", () =>
    Effect.gen(function* () {
      const agent = yield* newOwned(["issue:read", "issue:create"])
      const { access } = yield* logIn({ agent, filled: { scope: ["issue:read"] } })
      const path = `/api/v1/agents/${agent.id}/grants`
      const scopes = Effect.map(send("/api/v1/agent-session", { token: access }), ({ json }) => json.grants)
      yield* administer(path, {
        body: { project_id: randomUUID(), workspace_slug: "later", scopes: ["issue:read", "issue:move"] }
      })
      assert.deepStrictEqual(
        (yield* scopes).map((grant: { scopes: unknown }) => grant.scopes),
        [["issue:read"], ["issue:read"]]
      )
      for (const id of agent.grantIds) yield* administer(`${path}/${id}`, { method: "DELETE" })
      assert.lengthOf(yield* scopes, 1)
    })
  )

  it.effect("stops at once when it is revoked, when its agent is disabled, and when its time is over", () =>
    Effect.gen(function* () {
      const revoked = yield* logIn()
      const [{ id }] = yield* listed(revoked.agent.id)
      yield* administer(`/api/v1/agents/${revoked.agent.id}/tokens/${id}`, { method: "DELETE" })
      assert.strictEqual(yield* opens(revoked.access), "auth.revoked")

      const disabled = yield* logIn()
      yield* administer(`/api/v1/agents/${disabled.agent.id}`, {
        method: "PATCH",
        body: { status: "disabled" }
      })
      assert.strictEqual(yield* opens(disabled.access), "auth.agent_disabled")

      const old = yield* logIn()
      yield* query`
        update oauth_secrets s set expires_at = now() from tokens t
        where t.id = s.token_id and s.kind = 'access' and t.agent_id = ${old.agent.id}::uuid`
      assert.strictEqual(yield* opens(old.access), "auth.expired")
      const [event] = yield* auditOf(old.agent.id)
      assert.deepInclude(event, { action: "agent_session", outcome: "denied", reason: "auth.expired" })

      const idle = yield* logIn()
      const [{ expires_at, created_at }] = yield* listed(idle.agent.id)
      const days = (Date.parse(expires_at) - Date.parse(created_at)) / 86_400_000
      assert.closeTo(days, 90, 0.01)
      yield* query`update tokens set expires_at = now() where agent_id = ${idle.agent.id}::uuid and kind = 'oauth'`
      assert.strictEqual(yield* opens(idle.access), "auth.expired")
    })
  )

  it.effect("keeps nothing that opens it: hashes alone are stored", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const rows = yield* query`
        select s::text as row from oauth_secrets s
        union all select c::text from oauth_codes c
        union all select c::text from oauth_consents c
        union all select t::text from tokens t
        union all select e::text from audit_events e`
      const everything = JSON.stringify(rows)
      for (const secret of [login.access, login.refresh]) {
        assert.notInclude(everything, secret)
        assert.notInclude(everything, Buffer.from(secret).toString("hex"))
      }
    })
  )

  it.effect("does not begin where the person says no, on either page, and leaves the code good", () =>
    Effect.gen(function* () {
      const client = yield* newClient()
      const agent = yield* newOwned()
      const made = yield* newPairingCode(agent.id)
      const request = yield* newRequest(client)
      const { url } = yield* Served
      const browser = new Browser()
      const first = yield* browser.open(request.url)
      const second = yield* browser.press(first, "continue", { code: made.code })
      for (const page of [first, second]) {
        const answer = yield* browser.press(page, "deny")
        assert.strictEqual(answer.status, 303)
        const { searchParams } = locationOf(answer)
        assert.strictEqual(searchParams.get("error"), "access_denied")
        assert.strictEqual(searchParams.get("state"), request.state)
        assert.strictEqual(searchParams.get("iss"), url)
        assert.isFalse(searchParams.has("code"))
      }
      assert.strictEqual((yield* shown(made))?.status, "pending")
      // The consent that was denied is answered for good.
      const late = yield* browser.press(second, "allow")
      assert.strictEqual(late.status, 410)
      const again = yield* consented(request, made.code)
      assert.strictEqual((yield* exchange(client, request, locationOf(again))).token_type, "bearer")
    })
  )

  it.effect("shows what to paste where the program runs elsewhere", () =>
    Effect.gen(function* () {
      const client = yield* newClient()
      const { code } = yield* newPairingCode((yield* newOwned()).id)
      const request = yield* newRequest(client)
      const browser = new Browser()
      const first = yield* browser.open(request.url)
      const last = yield* browser.press(yield* browser.press(first, "continue", { code }), "paste")
      assert.strictEqual(last.status, 200)
      assert.isUndefined(last.headers.location)
      const [, shownUrl = ""] = /<textarea[^>]*>([^<]*)<\/textarea>/.exec(last.text) ?? []
      const callback = new URL(shownUrl.replaceAll("&amp;", "&"))
      assert.isDefined((yield* exchange(client, request, callback)).access_token)
    })
  )

  it.effect("takes the code from an address with a query of its own, on any port of the loopback", () =>
    Effect.gen(function* () {
      const client = yield* newClient({ redirect_uris: ["http://[::1]/cb?from=codex"] })
      const { code } = yield* newPairingCode((yield* newOwned()).id)
      const redirect_uri = "http://[::1]:61234/cb?from=codex"
      const answer = yield* consented(yield* newRequest(client, { redirect_uri }), code)
      const { href, searchParams } = locationOf(answer)
      assert.isTrue(href.startsWith(`${redirect_uri}&code=`))
      assert.strictEqual(searchParams.get("from"), "codex")
    })
  )
})
