import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { fromAnywhere, newAddress, newNonce, newPairingCode, redeem, shown } from "../support/pairing.ts"
import { administer, auditOf, newAgent, send, served } from "../support/served.ts"

const tokensOf = (agentId: string) =>
  Effect.map(administer(`/api/v1/agents/${agentId}/tokens`), ({ tokens }) => tokens)

layer(served(fromAnywhere), { timeout: "10 minutes", excludeTestServices: true })(
  "redeeming a pairing code",
  (it) => {
    it.effect("gives a token of the agent, which its owner sees by whom it was got", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([
          { project_id: crypto.randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] }
        ])
        const made = yield* newPairingCode(agent.id)
        const given = yield* redeem(made.code, { name: "Anna’s laptop", address: "192.0.2.7" })
        assert.strictEqual(given.status, 201)
        assert.sameMembers(Object.keys(given.json), ["token", "token_info", "setup"])
        const { setup, token, token_info } = given.json
        assert.deepInclude(token_info, { agent_id: agent.id, name: "Anna’s laptop", revoked_at: null })
        assert.include(
          setup.tools.map(({ name }: { readonly name: string }) => name) as ReadonlyArray<string>,
          "tasker_get_issue"
        )
        assert.lengthOf(setup.grants, 1)
        assert.notInclude(JSON.stringify(setup), token)
        const session = yield* send("/api/v1/agent-session", { token })
        assert.deepStrictEqual([session.status, session.json.token.id], [200, token_info.id])

        const info = yield* shown(made)
        assert.deepInclude(info, { status: "used", refused_after_use: { count: 0, last_at: null } })
        assert.deepInclude(info?.used as object, {
          client_name: "Anna’s laptop",
          address: "192.0.2.7",
          token_id: token_info.id
        })
        const events = (yield* auditOf(agent.id)).slice(0, 2)
        assert.sameMembers(
          events.map(({ action }) => action),
          ["pairing_code.used", "token.issued"]
        )
        for (const event of events) {
          assert.deepInclude(event as object, { outcome: "executed", token_id: token_info.id, via: "rest" })
        }
        const stored = yield* query`select p::text as row from pairing_codes p where id = ${made.id}::uuid`
        assert.notInclude(JSON.stringify([stored, info, events]), token)
        const revoked = yield* administer(`/api/v1/agents/${agent.id}/tokens/${token_info.id}`, {
          method: "DELETE"
        })
        assert.isNotNull(revoked.token_info.revoked_at)
        assert.strictEqual((yield* send("/api/v1/agent-session", { token })).status, 401)
      })
    )

    it.effect("takes the code as a person types it", () =>
      Effect.gen(function* () {
        const { code } = yield* newPairingCode()
        const typed = ` ${code.toLowerCase().replace("-", " ").replace("-", "")} `
        assert.strictEqual((yield* redeem(typed)).status, 201)
      })
    )

    it.effect("gives the same answer again to the same nonce, and refuses every other", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const nonce = newNonce()
        const first = yield* redeem(made.code, { nonce })
        const hex = Buffer.from(nonce, "base64url").toString("hex")
        for (const same of [nonce, hex, hex.toUpperCase()]) {
          const again = yield* redeem(made.code, { nonce: same })
          assert.strictEqual(again.status, 201)
          assert.deepStrictEqual(again.json, first.json)
        }
        assert.strictEqual(yield* shown(made).pipe(Effect.map((info) => info?.status)), "used")
        const before = (yield* auditOf(made.agentId)).length
        const refused = [
          yield* redeem(made.code),
          yield* redeem(made.code, { nonce: "no nonce" }),
          yield* redeem(made.code, { nonce: "A".repeat(43) })
        ]
        for (const { json, status, text } of refused) {
          assert.deepStrictEqual([status, json.code], [409, "pairing.used"])
          assert.notInclude(text, first.json.token)
        }
        const info = yield* shown(made)
        assert.deepInclude(info?.refused_after_use as object, { count: 3 })
        const events = yield* auditOf(made.agentId)
        assert.lengthOf(events, before + 3)
        assert.deepInclude(events[0], {
          action: "pairing_code.reused",
          outcome: "denied",
          reason: "pairing.used"
        })
        assert.lengthOf(yield* tokensOf(made.agentId), 2)
      })
    )

    it.effect("answers a nonce again for sixty seconds and no longer", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const nonce = newNonce()
        const first = yield* redeem(made.code, { nonce })
        yield* query`update pairing_codes set used_at = now() - interval '55 seconds' where id = ${made.id}::uuid`
        assert.deepStrictEqual((yield* redeem(made.code, { nonce })).json, first.json)
        yield* query`update pairing_codes set used_at = now() - interval '60 seconds' where id = ${made.id}::uuid`
        const late = yield* redeem(made.code, { nonce })
        assert.deepStrictEqual([late.status, late.json.code], [409, "pairing.used"])
      })
    )

    it.effect("answers no nonce again once the token was revoked", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        const made = yield* newPairingCode(agent.id)
        const nonce = newNonce()
        const { id } = (yield* redeem(made.code, { nonce })).json.token_info
        yield* administer(`/api/v1/agents/${agent.id}/tokens/${id}`, { method: "DELETE" })
        const again = yield* redeem(made.code, { nonce })
        assert.deepStrictEqual([again.status, again.json.code], [409, "pairing.used"])
      })
    )

    it.effect("by many at once gives one of them a token", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const replies = yield* Effect.forEach([...Array(8).keys()], () => redeem(made.code), {
          concurrency: 8
        })
        const [winner, ...others] = replies.filter(({ status }) => status === 201)
        assert.lengthOf(others, 0)
        for (const { json, status } of replies.filter((reply) => reply !== winner)) {
          assert.deepStrictEqual([status, json.code], [409, "pairing.used"])
        }
        const tokens = yield* tokensOf(made.agentId)
        assert.deepInclude(
          tokens.map(({ id }: { id: string }) => id),
          winner?.json.token_info.id
        )
        assert.lengthOf(tokens, 2)
        assert.deepInclude((yield* shown(made))?.refused_after_use as object, { count: 7 })
      })
    )

    it.effect("by one client that sends it many times at once gives it one token, each time the same", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const nonce = newNonce()
        const replies = yield* Effect.forEach([...Array(8).keys()], () => redeem(made.code, { nonce }), {
          concurrency: 8
        })
        assert.deepStrictEqual([...new Set(replies.map(({ status }) => status))], [201])
        assert.strictEqual(new Set(replies.map(({ json }) => json.token)).size, 1)
        assert.lengthOf(yield* tokensOf(made.agentId), 2)
        assert.deepInclude((yield* shown(made))?.refused_after_use as object, { count: 0 })
      })
    )

    it.effect("is refused once the code has expired", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        yield* query`
          update pairing_codes set created_at = created_at - interval '10 minutes', expires_at = now()
          where id = ${made.id}::uuid`
        const refused = yield* redeem(made.code)
        assert.deepStrictEqual([refused.status, refused.json.code], [410, "pairing.expired"])
        assert.strictEqual((yield* shown(made))?.status, "expired")
        assert.lengthOf(yield* tokensOf(made.agentId), 1)
      })
    )

    it.effect("with no nonce five times locks the code, once on record", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        for (const nonce of ["", "short", "g".repeat(64), "=".repeat(43), "A".repeat(44)]) {
          const refused = yield* redeem(made.code, { nonce })
          assert.deepStrictEqual([refused.status, refused.json.code], [422, "input.invalid"])
        }
        for (const nonce of [newNonce(), "short"]) {
          const locked = yield* redeem(made.code, { nonce })
          assert.deepStrictEqual([locked.status, locked.json.code], [410, "pairing.locked"])
        }
        assert.strictEqual((yield* shown(made))?.status, "locked")
        const actions = (yield* auditOf(made.agentId)).map(({ action, outcome }) => `${action} ${outcome}`)
        assert.strictEqual(actions.filter((each) => each === "pairing_code.locked executed").length, 1)
        assert.strictEqual(actions.filter((each) => each === "pairing_code.confirmed denied").length, 5)
        assert.lengthOf(yield* tokensOf(made.agentId), 1)
      })
    )

    it.effect("four times with no nonce leaves the code good", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        for (let n = 0; n < 4; n++) yield* redeem(made.code, { nonce: "short" })
        assert.strictEqual((yield* redeem(made.code)).status, 201)
      })
    )

    it.effect(
      "of an agent that is disabled is refused, and uses the code up neither now nor in a repeat",
      () =>
        Effect.gen(function* () {
          const made = yield* newPairingCode()
          const path = `/api/v1/agents/${made.agentId}`
          yield* administer(path, { method: "PATCH", body: { status: "disabled" } })
          const refused = yield* redeem(made.code)
          assert.deepStrictEqual([refused.status, refused.json.code], [409, "pairing.agent_disabled"])
          assert.lengthOf(yield* tokensOf(made.agentId), 1)
          yield* administer(path, { method: "PATCH", body: { status: "active" } })
          const nonce = newNonce()
          assert.strictEqual((yield* redeem(made.code, { nonce })).status, 201)
          yield* administer(path, { method: "PATCH", body: { status: "disabled" } })
          assert.strictEqual((yield* redeem(made.code, { nonce })).json.code, "pairing.agent_disabled")
        })
    )

    it.effect("names the token after what can be seen of the client's name", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const given = yield* redeem(made.code, { name: ` co\u202Edex\u0007 \n on ${"x".repeat(200)}` })
        assert.strictEqual(given.json.token_info.name, `codex on ${"x".repeat(119)}`)
        const other = yield* newPairingCode()
        const unseen = yield* redeem(other.code, { name: "\u200B\u2066 " })
        assert.deepStrictEqual([unseen.status, unseen.json.code], [422, "input.invalid"])
        assert.strictEqual((yield* shown(other))?.status, "pending")
      })
    )

    it.effect(
      "keeps no token that the client's name holds, in the open or broken up by what can't be seen",
      () =>
        Effect.gen(function* () {
          const made = yield* newPairingCode()
          const { token } = yield* newAgent([])
          for (const name of [
            token,
            token.replace("_", "_\u200B"),
            `${token.slice(0, 30)}\u2060${token.slice(30)}`
          ]) {
            const refused = yield* redeem(made.code, { name })
            assert.deepStrictEqual([refused.status, refused.json.code], [422, "input.holds_secret"])
            assert.notInclude(refused.text, token)
          }
          assert.strictEqual((yield* shown(made))?.status, "pending")
        })
    )

    it.effect("is read strictly", () =>
      Effect.gen(function* () {
        const { code } = yield* newPairingCode()
        const body = { code, client_name: "x", nonce: newNonce() }
        const path = "/api/v1/pairing/redeem"
        const headers = { "x-forwarded-for": newAddress() }
        const tried = [
          [{ ...body, agent_id: "x" }, 422],
          [{ code, client_name: "x" }, 422],
          [{ ...body, code: "B".repeat(65) }, 422],
          [{ ...body, client_name: "x".repeat(257) }, 422],
          [`{"code": "${code}", "code": "${code}", "client_name": "x", "nonce": "${newNonce()}"}`, 400],
          [[body], 422]
        ] as const
        for (const [sent, status] of tried) {
          assert.strictEqual((yield* send(path, { headers, body: sent })).status, status)
        }
        const form = yield* send(path, {
          headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
          body: new URLSearchParams(body).toString()
        })
        assert.strictEqual(form.status, 415)
        assert.strictEqual((yield* send(path, { headers })).status, 405)
        assert.strictEqual((yield* send(path, { headers, body })).status, 201)
      })
    )
  }
)
