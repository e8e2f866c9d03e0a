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
  request
} from "../support/login-steps.ts"
import { opens } from "../support/oauth.ts"
import { auditOf, Served, send, served } from "../support/served.ts"
import { givesNoToken, spoilsOf, victim } from "../support/spoils.ts"

/**
 * Known attacks on access and refresh tokens (RFC 9700 sections 4.14 and 4.10, RFC 6819), each under its name: what
 * is refused, and that whoever tried it has nothing of it.
 */

layer(served(), { timeout: "10 minutes", excludeTestServices: true })(
  "an attack on the tokens of a login",
  (it) => {
    it.effect("by refresh replay after rotation: the old one, used after its successor, ends the login", () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
        const first = yield* login(id)
        const second = (yield* refresh(first.clientId, first.refreshToken)).json
        const third = (yield* refresh(first.clientId, second.refresh_token)).json
        assert.strictEqual(yield* opens(third.access_token), "good")
        givesNoToken(yield* refresh(first.clientId, first.refreshToken), "invalid_grant")
        for (const token of [first.accessToken, second.access_token, third.access_token])
          assert.notStrictEqual(yield* opens(token), "good")
        givesNoToken(yield* refresh(first.clientId, third.refresh_token), "invalid_grant")
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
          const { id } = yield* victim()
          const first = yield* login(id)
          const lost = (yield* refresh(first.clientId, first.refreshToken)).json
          const again = (yield* refresh(first.clientId, first.refreshToken)).json
          assert.strictEqual(yield* opens(again.access_token), "good")
          assert.notStrictEqual(yield* opens(lost.access_token), "good", "what the lost reply held is void")
          givesNoToken(yield* refresh(first.clientId, lost.refresh_token), "invalid_grant")
          assert.notStrictEqual(yield* opens(again.access_token), "good")
          givesNoToken(yield* refresh(first.clientId, again.refresh_token), "invalid_grant")
        })
    )

    it.effect("with a refresh token of another client", () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
        const { accessToken, refreshToken } = yield* login(id)
        const before = yield* spoilsOf(id)
        givesNoToken(yield* refresh(yield* client(), refreshToken), "invalid_grant", "invalid_client")
        assert.isAtMost((yield* spoilsOf(id)).secrets, before.secrets)
        assert.deepStrictEqual((yield* spoilsOf(id)).done, before.done)
        assert.strictEqual(yield* opens(accessToken), "good", "the honest client is not hurt")
      })
    )

    it.effect(
      "by a token of one resource at another: no login is for a resource that is not this gateway's",
      () =>
        Effect.gen(function* () {
          const { url } = yield* Served
          const { id } = yield* victim()
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
          givesNoToken(
            yield* refresh(loggedIn, refreshToken, { resource: "https://other.example/mcp" }),
            "invalid_target"
          )
        })
    )

    it.effect(
      "with a token of the wrong kind: a refresh token opens nothing, an access token refreshes nothing",
      () =>
        Effect.gen(function* () {
          const { id, token } = yield* victim()
          const { accessToken, clientId, refreshToken } = yield* login(id)
          for (const path of ["/api/v1/agent-session", "/mcp"])
            assert.strictEqual((yield* send(path, { token: refreshToken })).status, 401)
          for (const wrong of [accessToken, token])
            givesNoToken(yield* refresh(clientId, wrong), "invalid_grant")
          assert.strictEqual(yield* opens(accessToken), "good")
        })
    )

    it.effect("with a token in a query string, a cookie or a form: it is not looked for there", () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
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
          const { id } = yield* victim()
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
          givesNoToken(
            yield* send(`${token}?${fields}`, { method: "POST", headers: form, body: "a=b" }),
            "invalid_request"
          )
          givesNoToken(
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
        const { id } = yield* victim()
        const { accessToken, clientId, refreshToken } = yield* login(id, { scope: "project:read" })
        const create = (token: string) =>
          send("/api/v1/tools/tasker_create_issue", {
            token,
            body: { project_id: "__", name: "A card", idempotency_key: "widening-1" }
          })
        for (const scope of ["project:read issue:create", "issue:create", "issue:delete"])
          givesNoToken(yield* refresh(clientId, refreshToken, { scope }), "invalid_scope")
        assert.strictEqual(yield* opens(accessToken), "good", "the attempt costs the login nothing")
        const { json } = yield* refresh(clientId, refreshToken)
        assert.strictEqual(json.scope, "project:read")
        const session = yield* send("/api/v1/agent-session", { token: json.access_token })
        assert.deepStrictEqual(session.json.scopes, ["project:read"])
        assert.notStrictEqual((yield* create(json.access_token)).status, 200)
      })
    )
  }
)
