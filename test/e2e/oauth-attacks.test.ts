import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  answerOf,
  authorized,
  callback,
  client,
  exchange,
  login,
  open,
  refresh,
  request,
  typeCode
} from "../support/login-steps.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newPairingCode } from "../support/pairing.ts"
import { auditOf, newAgent, ReferenceTasker, type Reply, Served, send, served } from "../support/served.ts"
import { spoilsOf } from "../support/spoils.ts"

/**
 * Known attacks on authorization codes and tokens (RFC 9700, RFC 6819), each under its name: what is refused,
 * and that whoever tried it has nothing of it.
 */

const agent = Effect.gen(function* () {
  const tasker = yield* ReferenceTasker
  const { project } = yield* tasker.project()
  return yield* newAgent([
    {
      project_id: project.id,
      workspace_slug: project.workspace_slug,
      scopes: ["project:read", "issue:read", "issue:create"]
    }
  ])
})

/** Refused as RFC 6749 section 5.2 says, and without a token in any form. */
const refused = (reply: Reply, ...errors: ReadonlyArray<string>) => {
  assert.strictEqual(reply.status, 400, reply.text)
  assert.include(errors, reply.json.error)
  assert.notMatch(reply.text, /ndca[tor]_/)
  assert.strictEqual(reply.headers["cache-control"], "no-store")
}

const letIn = (token: string) =>
  Effect.map(send("/api/v1/agent-session", { token }), ({ status }) => status === 200)

layer(served(), { timeout: "60 seconds", excludeTestServices: true })("an attack on a login", (it) => {
  it.effect(
    "by code interception: the code is worth nothing without its verifier, and is void after a try",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const asked = yield* request(yield* client())
        const code = yield* authorized(asked, id)
        const before = yield* spoilsOf(id)
        refused(yield* exchange(asked, code, { code_verifier: "A".repeat(43) }), "invalid_grant")
        refused(yield* exchange(asked, code), "invalid_grant")
        assert.deepStrictEqual((yield* spoilsOf(id)).done, before.done)
        assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets)
      })
  )

  it.effect("by leaving the verifier out", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const asked = yield* request(yield* client())
      const code = yield* authorized(asked, id)
      const before = yield* spoilsOf(id)
      for (const code_verifier of [undefined, ""])
        refused(yield* exchange(asked, code, { code_verifier }), "invalid_request", "invalid_grant")
      assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets)
    })
  )

  it.effect(
    "by PKCE downgrade: no challenge, plain, or one that is none is turned away before any code is typed",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const clientId = yield* client()
        const before = yield* spoilsOf(id)
        for (const change of [
          { code_challenge: undefined, code_challenge_method: undefined },
          { code_challenge: undefined },
          { code_challenge: "" },
          { code_challenge_method: undefined },
          { code_challenge_method: "plain" },
          { code_challenge_method: "s256" },
          { code_challenge: "A".repeat(42) },
          { code_challenge: "A".repeat(44) },
          { code_challenge: `${"A".repeat(42)}=` }
        ]) {
          const asked = yield* request(clientId, change)
          const page = yield* open(asked)
          assert.strictEqual(page.status, 303)
          const answer = answerOf(page)
          assert.strictEqual(answer.get("error"), "invalid_request", JSON.stringify(change))
          assert.strictEqual(answer.get("state"), asked.parameters.state)
          assert.isFalse(answer.has("code"))
        }
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )

  it.effect("by code replay: the second use is refused, and what came of the first stops", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const asked = yield* request(yield* client())
      const code = yield* authorized(asked, id)
      const { json } = yield* exchange(asked, code)
      assert.isTrue(yield* letIn(json.access_token))
      refused(yield* exchange(asked, code), "invalid_grant")
      assert.isFalse(yield* letIn(json.access_token))
      refused(yield* refresh(asked.clientId, json.refresh_token), "invalid_grant")
      const actions = (yield* auditOf(id)).map(({ action }) => action)
      assert.include(actions, "oauth.code_reused")
    })
  )

  it.effect(
    "by code replay at the same moment: of twenty one at most is answered, and then none is good",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const asked = yield* request(yield* client())
        const code = yield* authorized(asked, id)
        const replies = yield* Effect.all(
          Array.from({ length: 20 }, () => exchange(asked, code)),
          { concurrency: "unbounded" }
        )
        const given = replies.filter(({ status }) => status === 200)
        assert.lengthOf(given, 1)
        for (const reply of replies) if (reply.status !== 200) refused(reply, "invalid_grant")
        for (const { json } of given) assert.isFalse(yield* letIn(json.access_token))
      })
  )

  it.effect(
    "by code injection: a code is good for the client and the redirect URI that it was made for",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const mine = yield* client()
        for (const change of [
          { client_id: yield* client() },
          { redirect_uri: "http://127.0.0.1:49152/other" },
          { redirect_uri: "http://127.0.0.1:49153/callback" },
          { redirect_uri: undefined }
        ]) {
          const asked = yield* request(mine)
          const code = yield* authorized(asked, id)
          const before = yield* spoilsOf(id)
          refused(yield* exchange(asked, code, change), "invalid_grant", "invalid_request")
          assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets, JSON.stringify(change))
        }
      })
  )

  it.effect("by code injection into another session: the verifier of that session does not fit", () =>
    Effect.gen(function* () {
      const victim = yield* agent
      const clientId = yield* client()
      const stolen = yield* authorized(yield* request(clientId), victim.id)
      const before = yield* spoilsOf(victim.id)
      refused(yield* exchange(yield* request(clientId), stolen), "invalid_grant")
      assert.strictEqual((yield* spoilsOf(victim.id)).secrets, before.secrets)
    })
  )

  it.effect("by mix-up: whatever the browser is led back with names the issuer, exactly as announced", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const { id } = yield* agent
      const { json } = yield* send("/.well-known/oauth-authorization-server")
      assert.strictEqual(json.issuer, url)
      assert.isTrue(json.authorization_response_iss_parameter_supported)
      const clientId = yield* client()
      const by = new Browser()
      const asked = yield* request(clientId)
      const consent = yield* typeCode(asked, (yield* newPairingCode(id)).code, by)
      const answers = [
        yield* by.press(consent, "allow"),
        yield* by.press(yield* open(yield* request(clientId), by), "deny"),
        yield* open(yield* request(clientId, { response_type: "token" })),
        yield* open(yield* request(clientId, { code_challenge_method: "plain" }))
      ]
      for (const answer of answers) assert.deepStrictEqual(answerOf(answer).getAll("iss"), [url])
      const code = answerOf(answers[0] as (typeof answers)[number]).get("code") ?? ""
      refused(yield* exchange(asked, code, { resource: "https://other.example/mcp" }), "invalid_target")
    })
  )

  it.effect("by refresh replay after rotation: the old one, used after its successor, ends the login", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const first = yield* login(id)
      const second = (yield* refresh(first.clientId, first.refreshToken)).json
      const third = (yield* refresh(first.clientId, second.refresh_token)).json
      assert.isTrue(yield* letIn(third.access_token))
      refused(yield* refresh(first.clientId, first.refreshToken), "invalid_grant")
      for (const token of [first.accessToken, second.access_token, third.access_token])
        assert.isFalse(yield* letIn(token))
      refused(yield* refresh(first.clientId, third.refresh_token), "invalid_grant")
      const { live } = yield* spoilsOf(id)
      assert.lengthOf(live, 1, "the agent's own token stays")
      const reused = (yield* auditOf(id)).filter(({ action }) => action === "oauth.refresh_reused")
      assert.isAbove(reused.length, 0)
    })
  )

  it.effect(
    "by a refresh token that a lost reply left behind: voided, it ends the login of whoever uses it",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const first = yield* login(id)
        const lost = (yield* refresh(first.clientId, first.refreshToken)).json
        const again = (yield* refresh(first.clientId, first.refreshToken)).json
        assert.isTrue(yield* letIn(again.access_token))
        assert.isFalse(yield* letIn(lost.access_token), "what the lost reply held is void")
        refused(yield* refresh(first.clientId, lost.refresh_token), "invalid_grant")
        assert.isFalse(yield* letIn(again.access_token))
        refused(yield* refresh(first.clientId, again.refresh_token), "invalid_grant")
      })
  )

  it.effect("with a refresh token of another client", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const { accessToken, refreshToken } = yield* login(id)
      const before = yield* spoilsOf(id)
      refused(yield* refresh(yield* client(), refreshToken), "invalid_grant", "invalid_client")
      assert.isAtMost((yield* spoilsOf(id)).secrets, before.secrets)
      assert.deepStrictEqual((yield* spoilsOf(id)).done, before.done)
      assert.isBoolean(yield* letIn(accessToken))
    })
  )

  it.effect(
    "by a token of one resource at another: no login is for a resource that is not this gateway's",
    () =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const { id } = yield* agent
        const clientId = yield* client()
        const before = yield* spoilsOf(id)
        for (const resource of [
          "https://other.example/mcp",
          `${url}/mcp/other`,
          `${url}/mcp#fragment`,
          `${url}.other.example/mcp`,
          "not a URL"
        ]) {
          const page = yield* open(yield* request(clientId, { resource }))
          assert.strictEqual(answerOf(page).get("error"), "invalid_target", resource)
        }
        assert.deepStrictEqual(yield* spoilsOf(id), before)
        const { clientId: loggedIn, refreshToken } = yield* login(id)
        refused(
          yield* refresh(loggedIn, refreshToken, { resource: "https://other.example/mcp" }),
          "invalid_target"
        )
      })
  )

  it.effect(
    "with a token of the wrong kind: a refresh token opens nothing, an access token refreshes nothing",
    () =>
      Effect.gen(function* () {
        const { id, token } = yield* agent
        const { accessToken, clientId, refreshToken } = yield* login(id)
        for (const path of ["/api/v1/agent-session", "/mcp"])
          assert.strictEqual((yield* send(path, { token: refreshToken })).status, 401)
        for (const wrong of [accessToken, token]) refused(yield* refresh(clientId, wrong), "invalid_grant")
        assert.isTrue(yield* letIn(accessToken))
      })
  )

  it.effect("with a token in a query string, a cookie or a form: it is not looked for there", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const { accessToken } = yield* login(id)
      const body = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }
      const replies = [
        yield* send(`/mcp?access_token=${accessToken}`, { body }),
        yield* send(`/api/v1/agent-session?access_token=${accessToken}`),
        yield* send("/mcp", { body, headers: { cookie: `access_token=${accessToken}` } }),
        yield* send("/api/v1/tools/tasker_get_session", {
          body: `access_token=${accessToken}`,
          headers: { "content-type": "application/x-www-form-urlencoded" }
        })
      ]
      for (const { json, status } of replies)
        assert.deepStrictEqual([status, json.code], [401, "auth.missing"])
    })
  )

  it.effect(
    "by asking the token endpoint as nobody may: by query, by GET, from a page, with a secret, twice over",
    () =>
      Effect.gen(function* () {
        const { id } = yield* agent
        const asked = yield* request(yield* client())
        const code = yield* authorized(asked, id)
        const before = yield* spoilsOf(id)
        const fields = new URLSearchParams({
          grant_type: "authorization_code",
          code,
          client_id: asked.clientId,
          redirect_uri: callback,
          code_verifier: asked.verifier
        })
        const form = { "content-type": "application/x-www-form-urlencoded" }
        const token = "/oauth/token"
        refused(
          yield* send(`${token}?${fields}`, { method: "POST", headers: form, body: "a=b" }),
          "invalid_request"
        )
        refused(
          yield* send(token, { method: "POST", headers: form, body: `${fields}&code=${code}` }),
          "invalid_request"
        )
        const replies = [
          yield* send(`${token}?${fields}`),
          yield* send(token, {
            method: "POST",
            headers: { ...form, origin: "https://evil.example" },
            body: `${fields}`
          }),
          yield* send(token, { body: Object.fromEntries(fields) }),
          yield* send(token, {
            method: "POST",
            headers: { ...form, authorization: "Basic YTpi" },
            body: `${fields}`
          }),
          yield* send(token, { method: "POST", headers: form, body: `${fields}&client_secret=guess` })
        ]
        assert.deepStrictEqual(
          replies.map(({ status }) => status),
          [405, 403, 400, 401, 401]
        )
        for (const { text } of replies) assert.notMatch(text, /ndca[or]_/)
        assert.deepStrictEqual(yield* spoilsOf(id), before)
        assert.strictEqual((yield* exchange(asked, code)).status, 200, "the code is as good as before")
      })
  )

  it.effect("by scope widening on refresh", () =>
    Effect.gen(function* () {
      const { id } = yield* agent
      const { accessToken, clientId, refreshToken } = yield* login(id, { scope: "project:read" })
      const create = (token: string) =>
        send("/api/v1/tools/tasker_create_issue", {
          token,
          body: { project_id: "__", name: "A card", idempotency_key: "widening-1" }
        })
      for (const scope of ["project:read issue:create", "issue:create", "issue:delete"])
        refused(yield* refresh(clientId, refreshToken, { scope }), "invalid_scope")
      assert.isTrue(yield* letIn(accessToken), "the attempt costs the login nothing")
      const { json } = yield* refresh(clientId, refreshToken)
      assert.strictEqual(json.scope, "project:read")
      const session = yield* send("/api/v1/agent-session", { token: json.access_token })
      assert.deepStrictEqual(session.json.scopes, ["project:read"])
      assert.notStrictEqual((yield* create(json.access_token)).status, 200)
    })
  )
})
