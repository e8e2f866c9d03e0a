import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { logIn } from "../support/oauth.ts"
import { administer, Served, send, withoutTasker } from "../support/served.ts"

const scope = allScopes.join(" ")

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("the metadata of logins", (it) => {
  it.effect("says of the server what RFC 8414 and its extensions name, all under the issuer", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const reply = yield* send("/.well-known/oauth-authorization-server")
      assert.strictEqual(reply.status, 200)
      assert.deepStrictEqual(reply.json, {
        issuer: url,
        authorization_endpoint: `${url}/oauth/authorize`,
        token_endpoint: `${url}/oauth/token`,
        registration_endpoint: `${url}/oauth/register`,
        revocation_endpoint: `${url}/oauth/revoke`,
        scopes_supported: allScopes,
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint_auth_methods_supported: ["none"],
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: true,
        ui_locales_supported: ["en", "ru"],
        protected_resources: [`${url}/mcp`, url],
        service_documentation: `${url}/docs`
      })
    })
  )

  it.effect("says of each resource what its address was made of", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      for (const [path, resource] of [
        ["/.well-known/oauth-protected-resource", url],
        ["/.well-known/oauth-protected-resource/mcp", `${url}/mcp`]
      ] as const) {
        const { json } = yield* send(path)
        assert.strictEqual(json.resource, resource)
        assert.deepStrictEqual(json.authorization_servers, [url])
        assert.deepStrictEqual(json.scopes_supported, allScopes)
        assert.deepStrictEqual(json.bearer_methods_supported, ["header"])
      }
    })
  )

  it.effect("may be read by pages of any origin; what gives tokens may be asked by none", () =>
    Effect.gen(function* () {
      const headers = { origin: "https://elsewhere.example" }
      const read = yield* send("/.well-known/oauth-protected-resource/mcp", { headers })
      assert.strictEqual(read.headers["access-control-allow-origin"], "*")
      for (const path of ["/oauth/token", "/oauth/register", "/oauth/revoke"]) {
        const refused = yield* send(path, { method: "POST", headers, body: {} })
        assert.deepStrictEqual([refused.status, refused.json.code], [403, "request.origin"])
        assert.isUndefined(refused.headers["access-control-allow-origin"])
      }
    })
  )

  it.effect("is named by every 401 where agents are served, with the scopes to ask for", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const { refresh } = yield* logIn()
      const named = `resource_metadata="${url}/.well-known/oauth-protected-resource/mcp", scope="${scope}"`
      const bare = `Bearer realm="tasker-codex-api", ${named}`
      for (const [path, method] of [
        ["/mcp", "GET"],
        ["/mcp", "POST"],
        ["/mcp", "DELETE"],
        ["/api/v1/agent-session", "GET"],
        ["/api/v1/tools/tasker_get_session", "POST"]
      ] as const) {
        const body = method === "POST" ? { body: {} } : {}
        const without = yield* send(path, { method, ...body })
        assert.strictEqual(without.status, 401)
        assert.strictEqual(without.headers["www-authenticate"], bare, `${method} ${path}`)
        const wrong = yield* send(path, { method, ...body, token: refresh })
        assert.strictEqual(wrong.status, 401)
        assert.strictEqual(wrong.json.code, "auth.malformed")
        assert.match(String(wrong.headers["www-authenticate"]), /error="invalid_token".*resource_metadata=/)
      }
      const operator = yield* send("/api/v1/agents")
      assert.notInclude(String(operator.headers["www-authenticate"]), "resource_metadata")
    })
  )

  it.effect("is named to the holder of a token that was revoked, and not where the token was good", () =>
    Effect.gen(function* () {
      const { agent, access } = yield* logIn()
      const [{ id }] = (yield* administer(`/api/v1/agents/${agent.id}/tokens`)).tokens
      assert.strictEqual((yield* send("/mcp", { token: access, method: "GET" })).status, 405)
      yield* administer(`/api/v1/agents/${agent.id}/tokens/${id}`, { method: "DELETE" })
      const refused = yield* send("/mcp", { token: access, method: "GET" })
      assert.deepStrictEqual([refused.status, refused.json.code], [401, "auth.revoked"])
      assert.match(String(refused.headers["www-authenticate"]), /error="invalid_token".*resource_metadata=/)
    })
  )
})
