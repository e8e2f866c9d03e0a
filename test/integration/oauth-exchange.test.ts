import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import {
  type Client,
  consented,
  locationOf,
  newClient,
  newOwned,
  newRequest,
  opens,
  post,
  type Request,
  redirectUri
} from "../support/oauth.ts"
import { newPairingCode } from "../support/pairing.ts"
import { type Agent, administer, auditOf, Served, withoutTasker } from "../support/served.ts"

interface Held {
  readonly client: Client
  readonly agent: Agent
  readonly pairingId: string
  readonly request: Request
  readonly code: string
}

/** A client that holds an authorization code. */
const held = Effect.gen(function* () {
  const client = yield* newClient()
  const agent = yield* newOwned()
  const { code: pairing, id: pairingId } = yield* newPairingCode(agent.id)
  const request = yield* newRequest(client)
  const answer = yield* consented(request, pairing)
  const code = locationOf(answer).searchParams.get("code") ?? ""
  return { client, agent, pairingId, request, code } as Held
})

const bring = (
  { client, code, request }: Held,
  more: Readonly<Record<string, string | undefined>> = {},
  headers = {}
) => {
  const all = {
    grant_type: "authorization_code",
    code,
    client_id: client.id,
    redirect_uri: redirectUri,
    code_verifier: request.verifier,
    ...more
  }
  const fields = Object.entries(all).filter(([, value]) => value !== undefined)
  return post("/oauth/token", Object.fromEntries(fields) as Record<string, string>, headers)
}

const failedConfirmations = (pairingId: string) =>
  Effect.map(
    query`select failed_confirmations as failed from pairing_codes where id = ${pairingId}::uuid`,
    ([row]) => row?.failed
  )

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("an authorization code", (it) => {
  it.effect("is exchanged for tokens that no cache keeps", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const reply = yield* bring(yield* held, { resource: `${url}/mcp` })
      assert.strictEqual(reply.status, 200)
      assert.sameMembers(Object.keys(reply.json), [
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope"
      ])
      assert.deepInclude(reply.json, { token_type: "Bearer", expires_in: 3600 })
      assert.strictEqual(reply.headers["cache-control"], "no-store")
    })
  )

  it.effect("is good once: brought again it ends what the first was given", () =>
    Effect.gen(function* () {
      const mine = yield* held
      const first = yield* bring(mine)
      assert.strictEqual(yield* opens(first.json.access_token), "good")
      const second = yield* bring(mine)
      assert.deepStrictEqual([second.status, second.json.error], [400, "invalid_grant"])
      assert.strictEqual(yield* opens(first.json.access_token), "auth.revoked")
      const trail = (yield* auditOf(mine.agent.id)).map(({ action, outcome }) => `${action} ${outcome}`)
      assert.includeMembers(trail, ["oauth.code_reused denied", "token.revoked executed"])
    })
  )

  it.effect("brought ten times at once gives tokens to one at most, and those are ended", () =>
    Effect.gen(function* () {
      const mine = yield* held
      const replies = yield* Effect.forEach([...Array(10).keys()], () => bring(mine), { concurrency: 10 })
      const given = replies.filter(({ status }) => status === 200)
      assert.lengthOf(given, 1)
      assert.strictEqual(yield* opens(given[0]?.json.access_token), "auth.revoked")
    })
  )

  it.effect.each([
    ["another verifier", { code_verifier: "v".repeat(43) }],
    ["another client", { client_id: "7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b" }],
    ["another port of the redirect URI", { redirect_uri: "http://127.0.0.1:1/callback" }],
    ["another redirect URI", { redirect_uri: "http://localhost:51789/callback" }]
  ] as const)("with %s is void, and counts against the pairing code", ([, wrong]) =>
    Effect.gen(function* () {
      const mine = yield* held
      const refused = yield* bring(mine, wrong)
      assert.deepStrictEqual([refused.status, refused.json.error], [400, "invalid_grant"])
      assert.strictEqual(yield* failedConfirmations(mine.pairingId), 1)
      // The right proof comes too late.
      const late = yield* bring(mine)
      assert.deepStrictEqual([late.status, late.json.error], [400, "invalid_grant"])
      const [row] = yield* query`
        select count(s.hash)::integer as secrets, bool_and(t.revoked_at is not null) as revoked
        from tokens t left join oauth_secrets s on s.token_id = t.id
        where t.agent_id = ${mine.agent.id}::uuid and t.kind = 'oauth'`
      assert.deepStrictEqual(row, { secrets: 0, revoked: true })
    })
  )

  it.effect.each([
    ["no verifier", { code_verifier: undefined }, "invalid_request"],
    ["a verifier that is too short", { code_verifier: "v".repeat(42) }, "invalid_request"],
    ["an empty verifier", { code_verifier: "" }, "invalid_request"],
    ["no client", { client_id: undefined }, "invalid_request"],
    ["no redirect URI", { redirect_uri: undefined }, "invalid_request"],
    ["no grant type", { grant_type: undefined }, "invalid_request"],
    ["a grant type that is none", { grant_type: "password" }, "unsupported_grant_type"],
    ["another resource", { resource: "https://elsewhere.example/mcp" }, "invalid_target"],
    ["something that is no code", { code: "x" }, "invalid_grant"],
    ["a secret", { client_secret: "x" }, "invalid_client"]
  ] as const)("with %s is refused, and is still good after that", ([, wrong, error]) =>
    Effect.gen(function* () {
      const mine = yield* held
      const refused = yield* bring(mine, wrong)
      assert.strictEqual(refused.status, error === "invalid_client" ? 401 : 400)
      assert.strictEqual(refused.json.error, error)
      assert.strictEqual(yield* failedConfirmations(mine.pairingId), 0)
      assert.strictEqual((yield* bring(mine)).status, 200)
    })
  )

  it.effect("is good for a minute by the database's clock, and not after", () =>
    Effect.gen(function* () {
      const mine = yield* held
      const [row] = yield* query`
        select extract(epoch from expires_at - created_at)::integer as seconds from oauth_codes
        where pairing_id = ${mine.pairingId}::uuid`
      assert.strictEqual(row?.seconds, 60)
      yield* query`update oauth_codes set expires_at = now() where pairing_id = ${mine.pairingId}::uuid`
      assert.strictEqual((yield* bring(mine)).json.error, "invalid_grant")
    })
  )

  it.effect("gives nothing once its login was revoked or its agent disabled", () =>
    Effect.gen(function* () {
      const revoked = yield* held
      const path = `/api/v1/agents/${revoked.agent.id}`
      const [{ id }] = (yield* administer(`${path}/tokens`)).tokens
      yield* administer(`${path}/tokens/${id}`, { method: "DELETE" })
      assert.strictEqual((yield* bring(revoked)).json.error, "invalid_grant")
      const disabled = yield* held
      yield* administer(`/api/v1/agents/${disabled.agent.id}`, {
        method: "PATCH",
        body: { status: "disabled" }
      })
      assert.strictEqual((yield* bring(disabled)).json.error, "invalid_grant")
    })
  )

  it.effect("is not taken from a query, from JSON, twice, or with a credential", () =>
    Effect.gen(function* () {
      const mine = yield* held
      const { client, code, request } = mine
      const fields = {
        grant_type: "authorization_code",
        code,
        client_id: client.id,
        redirect_uri: redirectUri,
        code_verifier: request.verifier
      }
      const inQuery = yield* post(`/oauth/token?${new URLSearchParams(fields)}`, {})
      assert.strictEqual(inQuery.json.error, "invalid_request")
      const asJson = yield* post("/oauth/token", fields, { "content-type": "application/json" })
      assert.deepStrictEqual([asJson.status, asJson.json.error], [400, "invalid_request"])
      const basic = yield* bring(mine, {}, { authorization: "Basic eDp5" })
      assert.deepStrictEqual([basic.status, basic.json.error], [401, "invalid_client"])
      assert.match(String(basic.headers["www-authenticate"]), /^Basic /)
      const tooLong = yield* bring(mine, { padding: "x".repeat(17_000) })
      assert.strictEqual(tooLong.json.error, "invalid_request")
      assert.strictEqual((yield* bring(mine)).status, 200)
    })
  )
})
