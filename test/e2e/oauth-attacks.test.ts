import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  answerOf,
  authorized,
  client,
  exchange,
  open,
  refresh,
  request,
  typeCode
} from "../support/login-steps.ts"
import { opens } from "../support/oauth.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newPairingCode } from "../support/pairing.ts"
import { auditOf, Served, send, served } from "../support/served.ts"
import { givesNoToken, spoilsOf, victim } from "../support/spoils.ts"

/**
 * Known attacks on authorization codes (RFC 9700, RFC 6819), each under its name: what is refused, and that
 * whoever tried it has nothing of it.
 */

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("an attack on a login", (it) => {
  it.effect(
    "by code interception: the code is worth nothing without its verifier, and is void after a try",
    () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
        const asked = yield* request(yield* client())
        const code = yield* authorized(asked, id)
        const before = yield* spoilsOf(id)
        givesNoToken(yield* exchange(asked, code, { code_verifier: "A".repeat(43) }), "invalid_grant")
        givesNoToken(yield* exchange(asked, code), "invalid_grant")
        assert.deepStrictEqual((yield* spoilsOf(id)).done, before.done)
        assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets)
      })
  )

  it.effect("by leaving the verifier out", () =>
    Effect.gen(function* () {
      const { id } = yield* victim()
      const asked = yield* request(yield* client())
      const code = yield* authorized(asked, id)
      const before = yield* spoilsOf(id)
      for (const code_verifier of [undefined, ""])
        givesNoToken(yield* exchange(asked, code, { code_verifier }), "invalid_request", "invalid_grant")
      assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets)
    })
  )

  it.effect(
    "by PKCE downgrade: no challenge, plain, or one that is none is turned away before any code is typed",
    () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
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
      const { id } = yield* victim()
      const asked = yield* request(yield* client())
      const code = yield* authorized(asked, id)
      const { json } = yield* exchange(asked, code)
      assert.strictEqual(yield* opens(json.access_token), "good")
      givesNoToken(yield* exchange(asked, code), "invalid_grant")
      assert.notStrictEqual(yield* opens(json.access_token), "good")
      givesNoToken(yield* refresh(asked.clientId, json.refresh_token), "invalid_grant")
      const actions = (yield* auditOf(id)).map(({ action }) => action)
      assert.include(actions, "oauth.code_reused")
    })
  )

  it.effect(
    "by code replay at the same moment: of twenty one at most is answered, and then none is good",
    () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
        const asked = yield* request(yield* client())
        const code = yield* authorized(asked, id)
        const replies = yield* Effect.all(
          Array.from({ length: 20 }, () => exchange(asked, code)),
          { concurrency: "unbounded" }
        )
        const given = replies.filter(({ status }) => status === 200)
        assert.lengthOf(given, 1)
        for (const reply of replies) if (reply.status !== 200) givesNoToken(reply, "invalid_grant")
        for (const { json } of given) assert.notStrictEqual(yield* opens(json.access_token), "good")
      })
  )

  it.effect(
    "by code injection: a code is good for the client and the redirect URI that it was made for",
    () =>
      Effect.gen(function* () {
        const { id } = yield* victim()
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
          givesNoToken(yield* exchange(asked, code, change), "invalid_grant", "invalid_request")
          assert.strictEqual((yield* spoilsOf(id)).secrets, before.secrets, JSON.stringify(change))
        }
      })
  )

  it.effect("by code injection into another session: the verifier of that session does not fit", () =>
    Effect.gen(function* () {
      const owned = yield* victim()
      const clientId = yield* client()
      const stolen = yield* authorized(yield* request(clientId), owned.id)
      const before = yield* spoilsOf(owned.id)
      givesNoToken(yield* exchange(yield* request(clientId), stolen), "invalid_grant")
      assert.strictEqual((yield* spoilsOf(owned.id)).secrets, before.secrets)
    })
  )

  it.effect("by mix-up: whatever the browser is led back with names the issuer, exactly as announced", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const { id } = yield* victim()
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
      givesNoToken(yield* exchange(asked, code, { resource: "https://other.example/mcp" }), "invalid_target")
    })
  )
})
