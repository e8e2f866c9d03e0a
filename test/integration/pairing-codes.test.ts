import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { fromAnywhere, newPairingCode, redeem, shown } from "../support/pairing.ts"
import { administer, auditOf, newAgent, operate, Served, served } from "../support/served.ts"

const form = /^[BCDFGHJKLMNPQRSTVWXZ]{4}(-[BCDFGHJKLMNPQRSTVWXZ]{4}){2}$/

layer(served(fromAnywhere), { timeout: "10 minutes", excludeTestServices: true })(
  "a pairing code, to its owner",
  (it) => {
    it.effect("is shown once, with what to type, and never again", () =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const agent = yield* newAgent([])
        const path = `/api/v1/agents/${agent.id}/pairing-codes`
        const made = yield* operate(path, { body: { name: "For the laptop" } })
        assert.strictEqual(made.status, 201)
        const { connect, expires_at, id, pairing_code } = made.json
        assert.sameMembers(Object.keys(made.json), ["pairing_code", "id", "expires_at", "connect"])
        assert.match(pairing_code, form)
        assert.deepStrictEqual(connect, {
          codex: [`codex mcp add tasker --url ${url}/mcp`],
          shell: `curl -fsS ${url}/connect | sh -s -- ${pairing_code}`
        })
        const listed = yield* operate(path)
        const [info] = listed.json.pairing_codes
        assert.strictEqual(listed.json.next_cursor, null)
        assert.deepInclude(info, {
          id,
          agent_id: agent.id,
          name: "For the laptop",
          status: "pending",
          expires_at,
          used: null,
          refused_after_use: { count: 0, last_at: null }
        })
        assert.strictEqual(Date.parse(expires_at) - Date.parse(info.created_at), 600_000)
        const [created] = yield* auditOf(agent.id)
        assert.deepInclude(created, { action: "pairing_code.created", outcome: "executed", via: "admin" })
        const stored = yield* query`select p::text as row from pairing_codes p where id = ${id}::uuid`
        const everywhere = `${listed.text} ${JSON.stringify(stored)} ${JSON.stringify(created)}`
        for (const spelling of [pairing_code, pairing_code.replaceAll("-", "")]) {
          assert.notInclude(everywhere, spelling)
        }
      })
    )

    it.effect("is one of three at most that are pending, however many are asked for at once", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        const path = `/api/v1/agents/${agent.id}/pairing-codes`
        const asked = yield* Effect.forEach([...Array(10).keys()], () => operate(path, { body: {} }), {
          concurrency: 10
        })
        const refused = asked.filter(({ status }) => status !== 201)
        assert.lengthOf(refused, 7)
        for (const { json, status } of refused) {
          assert.deepStrictEqual([status, json.code], [409, "pairing.too_many"])
        }
        const { pairing_codes } = yield* administer(path)
        assert.lengthOf(pairing_codes, 3)
        yield* administer(`${path}/${pairing_codes[1].id}`, { method: "DELETE" })
        assert.strictEqual((yield* operate(path, { body: {} })).status, 201)
        yield* query`
          update pairing_codes set created_at = created_at - interval '10 minutes', expires_at = now()
          where id = ${pairing_codes[0].id}::uuid`
        assert.strictEqual((yield* operate(path, { body: {} })).status, 201)
        assert.strictEqual((yield* operate(path, { body: {} })).json.code, "pairing.too_many")
      })
    )

    it.effect(
      "is one of thirty at most that are pending for an owner, over all of the owner's agents at once",
      () =>
        Effect.gen(function* () {
          const who = { owner_user_id: `owner-${randomUUID()}`, owner_email: "many@example.test" }
          const agents = yield* Effect.forEach([...Array(12).keys()], () => newAgent([], who), {
            concurrency: 4
          })
          const asked = yield* Effect.forEach(
            [...agents, ...agents, ...agents],
            ({ id }) => operate(`/api/v1/agents/${id}/pairing-codes`, { body: {} }),
            { concurrency: 12 }
          )
          const refused = asked.filter(({ status }) => status !== 201)
          assert.lengthOf(refused, 6)
          for (const { json, status } of refused) {
            assert.deepStrictEqual([status, json.code], [409, "pairing.too_many"])
            assert.include(json.detail, "30 pairing codes of this owner's agents")
          }
          const other = yield* newAgent([], { ...who, owner_user_id: `owner-${randomUUID()}` })
          assert.strictEqual(
            (yield* operate(`/api/v1/agents/${other.id}/pairing-codes`, { body: {} })).status,
            201
          )
        })
    )

    it.effect("can be cancelled, and then connects nothing", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const { pairing_code_info } = yield* administer(`${made.path}/${made.id}`, { method: "DELETE" })
        assert.strictEqual(pairing_code_info.status, "cancelled")
        const refused = yield* redeem(made.code)
        assert.deepStrictEqual([refused.status, refused.json.code], [410, "pairing.cancelled"])
        const again = yield* administer(`${made.path}/${made.id}`, { method: "DELETE" })
        assert.deepStrictEqual(again.pairing_code_info, pairing_code_info)
        const cancellings = (yield* auditOf(made.agentId)).filter(
          ({ action }) => action === "pairing_code.cancelled"
        )
        assert.lengthOf(cancellings, 1)
      })
    )

    it.effect("stays used where it was used before it was cancelled", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        yield* redeem(made.code)
        const { pairing_code_info } = yield* administer(`${made.path}/${made.id}`, { method: "DELETE" })
        assert.strictEqual(pairing_code_info.status, "used")
      })
    )

    it.effect("is not made twice under one Idempotency-Key, nor shown again by it", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        const path = `/api/v1/agents/${agent.id}/pairing-codes`
        const headers = { "idempotency-key": randomUUID() }
        const first = yield* operate(path, { headers, body: { name: "one" } })
        const second = yield* operate(path, { headers, body: { name: "one" } })
        assert.deepStrictEqual([second.status, second.json.code], [409, "idempotency.already_created"])
        assert.strictEqual(second.json.pairing_code_info.id, first.json.id)
        assert.notInclude(second.text, first.json.pairing_code)
        const other = yield* operate(path, { headers, body: { name: "other" } })
        assert.strictEqual(other.json.code, "idempotency.key_reused")
        assert.lengthOf((yield* administer(path)).pairing_codes, 1)
      })
    )

    it.effect("of another owner's agent is not there, nor can one be made or cancelled", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        const theirs = `/api/internal/v1/owners/somebody-else/agents/${made.agentId}/pairing-codes`
        for (const reply of [
          yield* operate(theirs),
          yield* operate(theirs, { body: {} }),
          yield* operate(`${theirs}/${made.id}`, { method: "DELETE" })
        ]) {
          assert.deepStrictEqual([reply.status, reply.json.code], [404, "request.not_found"])
        }
        const other = yield* newAgent([])
        const crossed = yield* operate(`/api/v1/agents/${other.id}/pairing-codes/${made.id}`, {
          method: "DELETE"
        })
        assert.strictEqual(crossed.status, 404)
        assert.strictEqual((yield* shown(made))?.status, "pending")
        const { agent } = yield* administer(`/api/v1/agents/${made.agentId}`)
        const own = theirs.replace("somebody-else", agent.owner_user_id)
        assert.strictEqual((yield* operate(own)).json.pairing_codes.length, 1)
        assert.strictEqual((yield* operate(own, { body: {} })).status, 201)
        assert.strictEqual((yield* operate(`${own}/${made.id}`, { method: "DELETE" })).status, 200)
      })
    )

    it.effect("is not made for an agent that is disabled, and that is on record", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        yield* administer(`/api/v1/agents/${agent.id}`, { method: "PATCH", body: { status: "disabled" } })
        const refused = yield* operate(`/api/v1/agents/${agent.id}/pairing-codes`, { body: {} })
        assert.deepStrictEqual([refused.status, refused.json.code], [409, "pairing.agent_disabled"])
        const [event] = yield* auditOf(agent.id)
        assert.deepInclude(event, {
          action: "pairing_code.created",
          outcome: "failed",
          reason: "pairing.agent_disabled"
        })
      })
    )

    it.effect("has a name that holds no token and can be seen, and nothing beside it", () =>
      Effect.gen(function* () {
        const agent = yield* newAgent([])
        const path = `/api/v1/agents/${agent.id}/pairing-codes`
        const bodies = [
          [{ name: `mine ${agent.token}` }, "input.holds_secret"],
          [{ name: "evil\u202Ename" }, "input.invalid"],
          [{ name: "a".repeat(129) }, "input.invalid"],
          [{ code: "BCDF-GHJK-LMNP" }, "input.invalid"]
        ] as const
        for (const [body, code] of bodies) {
          const refused = yield* operate(path, { body })
          assert.deepStrictEqual([refused.status, refused.json.code], [422, code])
        }
        assert.lengthOf((yield* administer(path)).pairing_codes, 0)
      })
    )

    it.effect("is listed by pages, newest first", () =>
      Effect.gen(function* () {
        const made = yield* newPairingCode()
        yield* newPairingCode(made.agentId)
        yield* newPairingCode(made.agentId)
        const first = yield* administer(`${made.path}?limit=2`)
        const second = yield* administer(`${made.path}?limit=2&cursor=${first.next_cursor}`)
        const all = yield* administer(made.path)
        assert.deepStrictEqual([...first.pairing_codes, ...second.pairing_codes], all.pairing_codes)
        assert.strictEqual(all.pairing_codes[2].id, made.id)
        assert.strictEqual(second.next_cursor, null)
      })
    )
  }
)
