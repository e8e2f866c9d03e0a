import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { logIn } from "../support/oauth.ts"
import { fromAnywhere, newAddress } from "../support/pairing.ts"
import { type Reply, type Sent, type Served, send, served } from "../support/served.ts"

const register = (body: unknown, sent: Sent = {}): Effect.Effect<Reply, never, Served> =>
  send("/oauth/register", { body, headers: { "x-forwarded-for": newAddress() }, ...sent })

const good = { client_name: "Codex", redirect_uris: ["http://127.0.0.1/callback"] }

layer(served({ ...fromAnywhere, OAUTH_REDIRECT_HOSTS: "vscode.dev" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a program that registers itself", (it) => {
  it.effect("is given an id and told what it is: a public client", () =>
    Effect.gen(function* () {
      const reply = yield* register({
        ...good,
        redirect_uris: ["http://127.0.0.1:1234/callback", "https://vscode.dev/redirect"],
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        application_type: "native",
        scope: "whatever",
        software_id: "codex",
        logo_uri: "https://evil.example/logo.png"
      })
      assert.strictEqual(reply.status, 201)
      const { client_id, client_id_issued_at, ...rest } = reply.json
      assert.match(client_id, /^[0-9a-f-]{36}$/)
      assert.closeTo(client_id_issued_at, Date.now() / 1000, 60)
      assert.deepStrictEqual(rest, {
        client_name: "Codex",
        redirect_uris: ["http://127.0.0.1:1234/callback", "https://vscode.dev/redirect"],
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        application_type: "native"
      })
    })
  )

  it.effect("needs no more than where to be answered", () =>
    Effect.gen(function* () {
      const reply = yield* register({ redirect_uris: good.redirect_uris })
      assert.strictEqual(reply.status, 201)
      assert.isFalse("client_name" in reply.json)
    })
  )

  it.effect("is registered without the addresses that a code may not be sent to", () =>
    Effect.gen(function* () {
      const { json, status } = yield* register({
        ...good,
        redirect_uris: ["https://evil.example/cb", ...good.redirect_uris, "cursor://callback"]
      })
      assert.deepStrictEqual([status, json.redirect_uris], [201, good.redirect_uris])
    })
  )

  it.effect.each([
    ["no redirect URI", { client_name: "x" }, "invalid_redirect_uri"],
    ["an empty list of them", { redirect_uris: [] }, "invalid_client_metadata"],
    ["eleven of them", { redirect_uris: Array(11).fill("http://127.0.0.1/") }, "invalid_client_metadata"],
    ["a stranger's host", { redirect_uris: ["https://evil.example/cb"] }, "invalid_redirect_uri"],
    ["a scheme of its own", { redirect_uris: ["codex://callback"] }, "invalid_redirect_uri"],
    ["a secret", { ...good, token_endpoint_auth_method: "client_secret_basic" }, "invalid_client_metadata"],
    ["another flow", { ...good, grant_types: ["implicit"] }, "invalid_client_metadata"],
    ["another answer", { ...good, response_types: ["token"] }, "invalid_client_metadata"],
    ["a name that is none", { ...good, client_name: 1 }, "invalid_client_metadata"],
    ["a list", [], "invalid_client_metadata"]
  ] as const)("with %s is refused", ([, body, error]) =>
    Effect.gen(function* () {
      const reply = yield* register(body)
      assert.deepStrictEqual([reply.status, reply.json.error], [400, error])
      assert.isString(reply.json.error_description)
    })
  )

  it.effect("is refused what can't be read, or holds a token of ours", () =>
    Effect.gen(function* () {
      const { access } = yield* logIn()
      for (const reply of [
        yield* register("{"),
        yield* register(`{"redirect_uris":["http://127.0.0.1/"],"redirect_uris":[]}`),
        yield* register({ ...good, padding: "x".repeat(17_000) }),
        yield* register("redirect_uris=x", {
          headers: { "content-type": "application/x-www-form-urlencoded" }
        }),
        yield* register({ ...good, client_name: `Codex ${access}` })
      ]) {
        assert.deepStrictEqual([reply.status, reply.json.error], [400, "invalid_client_metadata"])
        assert.notInclude(reply.text, access)
      }
    })
  )

  it.effect("thirty times an hour is enough for one network, and is no matter to others", () =>
    Effect.gen(function* () {
      const address = newAddress()
      const of = (headers: Sent["headers"]) => register(good, { headers: headers ?? {} })
      const mine = { "x-forwarded-for": address }
      const replies = yield* Effect.forEach([...Array(35).keys()], () => of(mine), { concurrency: 7 })
      const refused = replies.filter(({ status }) => status !== 201)
      assert.lengthOf(refused, 5)
      for (const { headers, json, status } of refused) {
        assert.deepStrictEqual([status, json.error], [429, "temporarily_unavailable"])
        assert.strictEqual(headers["retry-after"], "3600")
      }
      const neighbour = address.replace(/\d+$/, "77")
      assert.strictEqual((yield* of({ "x-forwarded-for": neighbour })).status, 429)
      assert.strictEqual((yield* of({ "x-forwarded-for": newAddress() })).status, 201)
    })
  )

  it.effect("in a flood from everywhere is held up at three thousand an hour", () =>
    Effect.gen(function* () {
      yield* query`
        insert into oauth_clients (id, redirect_uris, address, network)
        select gen_random_uuid(), '{http://127.0.0.1/}', '198.51.100.1', 'flood-' || n
        from generate_series(1, 3000) as n`
      assert.strictEqual((yield* register(good)).status, 429)
      yield* query`delete from oauth_clients where network like 'flood-%'`
      assert.strictEqual((yield* register(good)).status, 201)
    })
  )
})
