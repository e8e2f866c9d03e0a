import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { type LoggedIn, logIn, newClient, opens, post, refreshed } from "../support/oauth.ts"
import { administer, auditOf, withoutTasker } from "../support/served.ts"

/** Refreshes where it has to go well. */
const fresh = (login: LoggedIn, refresh?: string) =>
  Effect.map(refreshed(login, refresh), ({ json, status, text }) => {
    assert.strictEqual(status, 200, text)
    return { access: json.access_token as string, refresh: json.refresh_token as string, scope: json.scope }
  })

const invalid = (login: LoggedIn, refresh: string) =>
  Effect.map(refreshed(login, refresh), ({ json, status }) =>
    assert.deepStrictEqual([status, json.error], [400, "invalid_grant"])
  )

const actsOf = ({ agent }: LoggedIn) =>
  Effect.map(auditOf(agent.id), (events) =>
    events.map(({ action, outcome, reason }) => `${action} ${outcome}${reason === null ? "" : ` ${reason}`}`)
  )

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("a refresh token", (it) => {
  it.effect("gives a new pair each time, for as long as somebody works", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      let refresh = login.refresh
      const seen = new Set([login.access, refresh])
      for (const _ of Array(5)) {
        const next = yield* fresh(login, refresh)
        assert.strictEqual(yield* opens(next.access), "good")
        refresh = next.refresh
        seen.add(next.access).add(next.refresh)
      }
      assert.strictEqual(seen.size, 12)
      // What was given before is good for its hour: calls under way are not cut off.
      assert.strictEqual(yield* opens(login.access), "good")
    })
  )

  it.effect("begins the login's ninety days anew", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      yield* query`
        update tokens set expires_at = now() + interval '1 day' where agent_id = ${login.agent.id}::uuid and kind = 'oauth'`
      yield* fresh(login)
      const [{ expires_at }] = (yield* administer(`/api/v1/agents/${login.agent.id}/tokens`)).tokens
      assert.isAbove(Date.parse(expires_at), Date.now() + 89 * 86_400_000)
    })
  )

  it.effect("locks nobody out whose reply got lost, however often", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      for (const _ of Array(4)) yield* fresh(login)
      const next = yield* fresh(login)
      assert.strictEqual(yield* opens(next.access), "good")
      const after = yield* fresh(login, next.refresh)
      assert.strictEqual(yield* opens(after.access), "good")
    })
  )

  it.effect("asked again takes back what it gave before, the access token included", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const lost = yield* fresh(login)
      const next = yield* fresh(login)
      assert.strictEqual(yield* opens(lost.access), "auth.revoked")
      assert.strictEqual(yield* opens(next.access), "good")
    })
  )

  it.effect("that was taken back ends the login for whoever has it", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const stolen = yield* fresh(login)
      const mine = yield* fresh(login)
      yield* invalid(login, stolen.refresh)
      for (const token of [login.access, stolen.access, mine.access]) {
        assert.strictEqual(yield* opens(token), "auth.revoked")
      }
      yield* invalid(login, mine.refresh)
      const acts = yield* actsOf(login)
      assert.includeMembers(acts, [
        "oauth.refresh_reused denied oauth.invalid_grant",
        "token.revoked executed",
        "oauth.refreshed denied auth.revoked"
      ])
      assert.lengthOf(
        acts.filter((act) => act.startsWith("token.revoked")),
        1
      )
    })
  )

  it.effect("used again after its successor was used ends the login", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const next = yield* fresh(login)
      const newest = yield* fresh(login, next.refresh)
      yield* invalid(login, login.refresh)
      assert.strictEqual(yield* opens(newest.access), "auth.revoked")
      yield* invalid(login, newest.refresh)
    })
  )

  it.effect("asked by many at once leaves a login that goes on, and ends none", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const replies = yield* Effect.forEach([...Array(8).keys()], () => refreshed(login), { concurrency: 8 })
      assert.deepStrictEqual([...new Set(replies.map(({ status }) => status))], [200])
      const newest = replies.map(({ json }) => json)
      const good = yield* Effect.filter(newest, ({ access_token }) =>
        Effect.map(opens(access_token), (how) => how === "good")
      )
      assert.isNotEmpty(good)
      const refreshTokens = new Set(good.map(({ refresh_token }) => refresh_token))
      assert.strictEqual(refreshTokens.size, 1)
      yield* fresh(login, good[0].refresh_token)
      assert.notInclude((yield* actsOf(login)).join(), "oauth.refresh_reused")
    })
  )

  it.effect("gives one answer to all who asked before it was given", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      // As one that began earlier and waited: the exchange is of a moment that is still to come.
      const first = yield* fresh(login)
      yield* query`
        update oauth_secrets s set exchanged_at = now() + interval '1 minute' from tokens t
        where t.id = s.token_id and t.agent_id = ${login.agent.id}::uuid and s.state = 'previous'`
      assert.deepStrictEqual(yield* fresh(login), first)
      assert.strictEqual(yield* opens(first.access), "good")
    })
  )

  it.effect("narrows the access token where less is asked, and that alone", () =>
    Effect.gen(function* () {
      const login = yield* logIn({ filled: { scope: ["project:read", "issue:read"] } })
      const less = yield* refreshed(login, login.refresh, { scope: "issue:read" })
      assert.strictEqual(less.json.scope, "issue:read")
      const whole = yield* fresh(login, less.json.refresh_token)
      assert.strictEqual(whole.scope, "project:read issue:read")
    })
  )

  it.effect("never gives more than the login has, and is not used up by being asked", () =>
    Effect.gen(function* () {
      const login = yield* logIn({ filled: { scope: ["issue:read"] } })
      for (const scope of ["issue:read issue:create", "issue:create", "offline_access", "issue:read admin"]) {
        const more = yield* refreshed(login, login.refresh, { scope })
        assert.deepStrictEqual([more.status, more.json.error], [400, "invalid_scope"], scope)
      }
      assert.strictEqual((yield* fresh(login)).scope, "issue:read")
    })
  )

  it.effect("is its client's alone, and for our resources alone", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const { id } = yield* newClient()
      const other = yield* refreshed(login, login.refresh, { client_id: id })
      assert.strictEqual(other.json.error, "invalid_grant")
      const elsewhere = yield* refreshed(login, login.refresh, { resource: "https://elsewhere.example" })
      assert.strictEqual(elsewhere.json.error, "invalid_target")
      assert.include(yield* actsOf(login), "oauth.refreshed denied oauth.wrong_client")
      yield* fresh(login)
    })
  )

  it.effect("is no bearer, and an access token or an agent's token is no refresh token", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      assert.strictEqual(yield* opens(login.refresh), "auth.malformed")
      for (const token of [login.access, login.agent.token, "nonsense"]) yield* invalid(login, token)
      yield* fresh(login)
    })
  )

  it.effect("is refused, on record, once the login is over or the agent disabled", () =>
    Effect.gen(function* () {
      const over = yield* logIn()
      yield* query`update tokens set expires_at = now() where agent_id = ${over.agent.id}::uuid and kind = 'oauth'`
      yield* invalid(over, over.refresh)
      assert.include(yield* actsOf(over), "oauth.refreshed denied auth.expired")
      const disabled = yield* logIn()
      const path = `/api/v1/agents/${disabled.agent.id}`
      yield* administer(path, { method: "PATCH", body: { status: "disabled" } })
      yield* invalid(disabled, disabled.refresh)
      assert.include(yield* actsOf(disabled), "oauth.refreshed denied auth.agent_disabled")
      yield* administer(path, { method: "PATCH", body: { status: "active" } })
      yield* fresh(disabled)
    })
  )
})

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("revoking a login", (it) => {
  it.effect.each(["access", "refresh"] as const)("by its %s token ends all of it", (which) =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const next = yield* fresh(login)
      const reply = yield* post("/oauth/revoke", {
        token: next[which],
        token_type_hint: "nonsense",
        client_id: login.client.id
      })
      assert.deepStrictEqual([reply.status, reply.text], [200, ""])
      for (const token of [login.access, next.access]) assert.strictEqual(yield* opens(token), "auth.revoked")
      yield* invalid(login, next.refresh)
      assert.include(yield* actsOf(login), "token.revoked executed")
    })
  )

  it.effect("answers alike for what is no token of ours, and says of an agent's token that it lives on", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const unknown = login.access.replace(/^ndcao/, "ndcat")
      for (const token of ["nonsense", unknown]) {
        assert.strictEqual((yield* post("/oauth/revoke", { token })).status, 200)
      }
      const other = yield* post("/oauth/revoke", { token: login.agent.token })
      assert.deepStrictEqual([other.status, other.json.error], [400, "unsupported_token_type"])
      assert.strictEqual(yield* opens(login.agent.token), "good")
      assert.strictEqual(yield* opens(login.access), "good")
      const none = yield* post("/oauth/revoke", {})
      assert.deepStrictEqual([none.status, none.json.error], [400, "invalid_request"])
    })
  )

  it.effect("is refused to another client", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      const { id } = yield* newClient()
      const reply = yield* post("/oauth/revoke", { token: login.refresh, client_id: id })
      assert.deepStrictEqual([reply.status, reply.json.error], [400, "invalid_grant"])
      assert.strictEqual(yield* opens(login.access), "good")
    })
  )

  it.effect("twice is one event", () =>
    Effect.gen(function* () {
      const login = yield* logIn()
      for (const _ of Array(2)) yield* post("/oauth/revoke", { token: login.refresh })
      const acts = yield* actsOf(login)
      assert.lengthOf(
        acts.filter((act) => act === "token.revoked executed"),
        1
      )
    })
  )
})
