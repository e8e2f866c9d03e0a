import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { client, open, request } from "../support/login-steps.ts"
import { Browser } from "../support/oauth-browser.ts"
import { fromAnywhere, guess, newNonce, newPairingCode, redeem as redeemFrom } from "../support/pairing.ts"
import { administer, auditOf, newAgent, operate, type Reply, send, served } from "../support/served.ts"
import { spoilsOf } from "../support/spoils.ts"

/**
 * Known attacks on pairing codes, each under its name: what is refused, and that whoever tried it has nothing of
 * it. Addresses are those that a trusted proxy names.
 */

const agent = Effect.map(
  newAgent([{ project_id: randomUUID(), workspace_slug: "nodedc", scopes: ["issue:read"] }]),
  ({ id }) => id
)

interface Try {
  readonly code: string
  readonly from?: string
  readonly nonce?: string
  readonly clientName?: string
}

const redeem = ({ clientName = "curl", code, from = "192.0.2.1", nonce = newNonce() }: Try) =>
  redeemFrom(code, { address: from, name: clientName, nonce })

const pairingCode = (agentId: string) => Effect.map(newPairingCode(agentId), ({ code }) => code)

const codesOf = (agentId: string) =>
  Effect.map(administer(`/api/v1/agents/${agentId}/pairing-codes`), ({ pairing_codes }) => pairing_codes)

const refused = (reply: Reply, status: number, code: string) => {
  assert.deepStrictEqual([reply.status, reply.json.code], [status, code], reply.text)
  assert.notMatch(reply.text, /ndca[tor]_/)
}

/** Who guessed has guessed long ago. */
const forgotten = query`delete from pairing_guesses`

layer(served(fromAnywhere), {
  timeout: "10 minutes",
  excludeTestServices: true
})("an attack on pairing codes", (it) => {
  it.effect(
    "by guessing in bulk from one address: past ten wrong ones a right one is not looked at either",
    () =>
      Effect.gen(function* () {
        yield* forgotten
        const id = yield* agent
        const code = yield* pairingCode(id)
        const before = yield* spoilsOf(id)
        for (let i = 0; i < 10; i++) refused(yield* redeem({ code: guess() }), 404, "pairing.unknown")
        for (const tried of [guess(), code]) {
          const reply = yield* redeem({ code: tried })
          refused(reply, 429, "limit.rate")
          assert.match(String(reply.headers["retry-after"]), /^[1-9]\d*$/)
        }
        assert.deepStrictEqual(yield* spoilsOf(id), before)
        assert.strictEqual(
          (yield* redeem({ code, from: "198.51.100.7" })).status,
          201,
          "the code is still good"
        )
      })
  )

  it.effect("by guessing on the login's page: what is tried there and what is redeemed is one account", () =>
    Effect.gen(function* () {
      yield* forgotten
      const id = yield* agent
      const from = { "x-forwarded-for": "192.0.2.77" }
      const by = new Browser(from)
      const page = yield* open(yield* request(yield* client()), by)
      const code = yield* pairingCode(id)
      const before = yield* spoilsOf(id)
      for (let i = 0; i < 5; i++) {
        assert.strictEqual((yield* by.press(page, "continue", { code: guess() })).status, 404)
        refused(yield* redeem({ code: guess(), from: "192.0.2.77" }), 404, "pairing.unknown")
      }
      const last = yield* by.press(page, "continue", { code })
      assert.strictEqual(last.status, 429)
      assert.match(String(last.headers["retry-after"]), /^[1-9]\d*$/)
      assert.notInclude(last.text, "owner@example.test")
      refused(yield* redeem({ code, from: "192.0.2.77" }), 429, "limit.rate")
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect(
    "by guessing in bulk at one moment: no more of a hundred tries are looked at than one by one",
    () =>
      Effect.gen(function* () {
        yield* forgotten
        const replies = yield* Effect.all(
          Array.from({ length: 100 }, () => redeem({ code: guess(), from: "192.0.2.9" })),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(
          replies.filter(({ status }) => status === 404),
          10
        )
      })
  )

  it.effect(
    "by guessing from many addresses: with five thousand codes pending all guesses together stay below 2⁻³²",
    () =>
      Effect.gen(function* () {
        yield* forgotten
        const id = yield* agent
        yield* query`
            insert into pairing_codes (id, agent_id, code_hash, expires_at)
            select gen_random_uuid(), ${id}::uuid, sha256(random()::text::bytea || i::text::bytea),
              now() + interval '10 minutes'
            from generate_series(1, 5000) as i`
        const before = yield* spoilsOf(id)
        const replies = yield* Effect.all(
          Array.from({ length: 260 }, (_, i) =>
            redeem({ code: guess(), from: `10.${i % 100}.${Math.floor(i / 100)}.${1 + (i % 250)}` })
          ),
          { concurrency: 24 }
        )
        const looked = replies.filter(({ status }) => status === 404).length
        assert.isAbove(looked, 150)
        assert.isBelow((looked * 5000) / 20 ** 12, 2 ** -32)
        for (const reply of replies) if (reply.status !== 404) refused(reply, 429, "limit.rate")
        assert.deepStrictEqual(yield* spoilsOf(id), before)
        yield* query`delete from pairing_codes where agent_id = ${id}::uuid`
      })
  )

  it.effect("by using up everybody's guesses: a stranger with a whole network locks nobody else out", () =>
    Effect.gen(function* () {
      yield* forgotten
      const id = yield* agent
      const code = yield* pairingCode(id)
      const replies = yield* Effect.all(
        Array.from({ length: 400 }, (_, i) => redeem({ code: guess(), from: `203.0.113.${i % 256}` })),
        { concurrency: 24 }
      )
      assert.isAtMost(replies.filter(({ status }) => status === 404).length, 30)
      assert.strictEqual((yield* redeem({ code, from: "198.51.100.8" })).status, 201)
    })
  )

  it.effect("by redeeming twice at once: one of twenty gets it, and the owner is shown the others", () =>
    Effect.gen(function* () {
      yield* forgotten
      const id = yield* agent
      const code = yield* pairingCode(id)
      const { live } = yield* spoilsOf(id)
      const replies = yield* Effect.all(
        Array.from({ length: 20 }, (_, i) => redeem({ code, from: `192.0.2.${i}` })),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        replies.filter(({ status }) => status === 201),
        1
      )
      for (const reply of replies) if (reply.status !== 201) refused(reply, 409, "pairing.used")
      const after = yield* spoilsOf(id)
      assert.lengthOf(after.live, live.length + 1)
      assert.lengthOf(
        after.done.filter((what) => what.startsWith("pairing_code.used")),
        1
      )
      const [shown] = yield* codesOf(id)
      assert.strictEqual(shown.refused_after_use.count, 19)
      const denied = (yield* auditOf(id)).filter(({ outcome }) => outcome === "denied")
      assert.isAbove(denied.length, 0)
    })
  )

  it.effect("by replaying a lost reply: its own nonce alone is answered again, and for a minute", () =>
    Effect.gen(function* () {
      yield* forgotten
      const id = yield* agent
      const code = yield* pairingCode(id)
      const own = newNonce()
      const first = yield* redeem({ code, nonce: own })
      const again = yield* redeem({ code, nonce: own, from: "192.0.2.2" })
      assert.strictEqual(again.json.token, first.json.token)
      const before = yield* spoilsOf(id)
      const other = Buffer.from(own, "base64url")
      other[31] = (other[31] ?? 0) ^ 1
      for (const thief of [newNonce(), other.toString("base64url"), other.toString("hex")])
        refused(yield* redeem({ code, nonce: thief }), 409, "pairing.used")
      yield* query`
          update pairing_codes set used_at = used_at - interval '61 seconds'
          where agent_id = ${id}::uuid`
      refused(yield* redeem({ code, nonce: own }), 409, "pairing.used")
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect("by weak nonces: what is not 256 bits is refused, and at the fifth the code is locked", () =>
    Effect.gen(function* () {
      yield* forgotten
      const id = yield* agent
      const code = yield* pairingCode(id)
      const before = yield* spoilsOf(id)
      const weak = ["", "1", "A".repeat(42), "g".repeat(64), `${"A".repeat(42)}=`]
      for (const own of weak) refused(yield* redeem({ code, nonce: own }), 422, "input.invalid")
      refused(yield* redeem({ code }), 410, "pairing.locked")
      assert.deepStrictEqual(yield* spoilsOf(id), before)
      assert.strictEqual((yield* codesOf(id))[0].status, "locked")
      assert.include(
        (yield* auditOf(id)).map(({ action }) => action),
        "pairing_code.locked"
      )
    })
  )

  it.effect("with a code that is over: expired, cancelled, of an agent that was disabled", () =>
    Effect.gen(function* () {
      yield* forgotten
      const expired = yield* agent
      const cancelled = yield* agent
      const disabled = yield* agent
      const codes = yield* Effect.forEach([expired, cancelled, disabled], pairingCode)
      yield* query`
          update pairing_codes set created_at = now() - interval '11 minutes', expires_at = now() - interval '1 minute'
          where agent_id = ${expired}::uuid`
      const [{ id }] = yield* codesOf(cancelled)
      yield* administer(`/api/v1/agents/${cancelled}/pairing-codes/${id}`, { method: "DELETE" })
      yield* administer(`/api/v1/agents/${disabled}`, { method: "PATCH", body: { status: "disabled" } })
      const before = yield* Effect.forEach([expired, cancelled, disabled], spoilsOf)
      const [one = "", two = "", three = ""] = codes
      refused(yield* redeem({ code: one }), 410, "pairing.expired")
      refused(yield* redeem({ code: two }), 410, "pairing.cancelled")
      refused(yield* redeem({ code: three }), 409, "pairing.agent_disabled")
      assert.deepStrictEqual(yield* Effect.forEach([expired, cancelled, disabled], spoilsOf), before)
    })
  )

  it.effect("by flooding an agent with codes: three are pending at most, also when asked for at once", () =>
    Effect.gen(function* () {
      const id = yield* agent
      const replies = yield* Effect.all(
        Array.from({ length: 12 }, () => operate(`/api/v1/agents/${id}/pairing-codes`, { body: {} })),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        replies.filter(({ status }) => status === 201),
        3
      )
      for (const reply of replies) if (reply.status !== 201) refused(reply, 409, "pairing.too_many")
      assert.lengthOf(yield* codesOf(id), 3)
    })
  )

  it.effect("by asking for another's codes: with an agent's token, or by the path of another owner", () =>
    Effect.gen(function* () {
      const id = yield* agent
      const { token } = yield* newAgent([])
      yield* pairingCode(id)
      const [{ id: codeId }] = yield* codesOf(id)
      const path = `/agents/${id}/pairing-codes`
      for (const [method, under] of [
        ["GET", path],
        ["POST", path],
        ["DELETE", `${path}/${codeId}`]
      ] as const) {
        const body = method === "POST" ? { body: {} } : {}
        const byAgent = yield* send(`/api/v1${under}`, { method, token, ...body })
        assert.strictEqual(byAgent.status, 401)
        const other = yield* operate(`/api/internal/v1/owners/someone-else${under}`, { method, ...body })
        refused(other, 404, "request.not_found")
      }
      assert.deepStrictEqual(
        (yield* codesOf(id)).map(({ status }: { status: string }) => status),
        ["pending"]
      )
    })
  )

  it.effect(
    "by a client name that shows something else than it holds: an owner sees all that there is of it",
    () =>
      Effect.gen(function* () {
        yield* forgotten
        const id = yield* agent
        const code = yield* pairingCode(id)
        const hostile = "Codex\u202E\u2066 evil\u0007\r\nSet-Cookie: a=b\u200B <script>alert(1)</script>"
        refused(yield* redeem({ code, clientName: `${hostile}\u0000` }), 400, "request.malformed")
        const reply = yield* redeem({ code, clientName: hostile })
        assert.strictEqual(reply.status, 201, reply.text)
        const [{ used }] = yield* codesOf(id)
        for (const name of [reply.json.token_info.name, used.client_name]) {
          assert.notMatch(name, /[\p{Cc}\u202A-\u202E\u2066-\u2069\u200B]/u)
          assert.include(name, "Codex evil")
        }
        assert.isUndefined(reply.headers["set-cookie"])
      })
  )
})
