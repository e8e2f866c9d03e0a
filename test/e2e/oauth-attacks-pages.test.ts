import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  answerOf,
  authorizeUrl,
  callback,
  client,
  exchange,
  forge,
  open,
  request,
  typeCode
} from "../support/login-steps.ts"
import { Browser, formOf, type Shown } from "../support/oauth-browser.ts"
import { newPairingCode, redeem } from "../support/pairing.ts"
import { administer, send, served } from "../support/served.ts"
import { spoilsOf, victim } from "../support/spoils.ts"

/**
 * Known attacks on the pages where a person agrees, each under its name: what is refused, and that nobody was
 * given anything.
 */

const agent = Effect.map(victim(), ({ id }) => id)

/** Answered with a page that leads nowhere, and gives no cookie that opens anything. */
const refused = (seen: Shown) => {
  assert.isAtLeast(seen.status, 400, seen.text)
  assert.isBelow(seen.status, 500, seen.text)
  assert.isUndefined(seen.headers.location)
}

const statusesOf = (agentId: string) =>
  Effect.map(administer(`/api/v1/agents/${agentId}/pairing-codes`), ({ pairing_codes }) =>
    (pairing_codes as ReadonlyArray<{ status: string }>).map(({ status }) => status)
  )

/** A person who has typed a good code and sees who asks. */
const asked = Effect.gen(function* () {
  const id = yield* agent
  const by = new Browser()
  const made = yield* request(yield* client())
  const { code } = yield* newPairingCode(id)
  const consent = yield* typeCode(made, code, by)
  assert.strictEqual(consent.status, 200, consent.text)
  return { id, by, made, code, consent, before: yield* spoilsOf(id) }
})

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("an attack on the pages", (it) => {
  it.effect("by CSRF on consent: a form with a wrong proof, or none, gives nothing", () =>
    Effect.gen(function* () {
      const { before, by, consent, id } = yield* asked
      assert.containsAllKeys(formOf(consent).hidden, ["proof", "consent"])
      for (const name of ["proof", "consent"]) {
        for (const wrong of [undefined, "", "A".repeat(43), "00000000-0000-4000-8000-000000000000"])
          refused(yield* forge(by, consent, { fields: { [name]: wrong } }))
      }
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect(
    "by CSRF from another browser: the form without its cookie, or with another's, gives nothing",
    () =>
      Effect.gen(function* () {
        const { before, consent, id, made } = yield* asked
        refused(yield* new Browser().press(consent, "allow"))
        const other = new Browser()
        yield* open(made, other)
        refused(yield* other.press(consent, "allow"))
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )

  it.effect("by CSRF from a foreign page: its Origin gives it away, and so does an opaque one", () =>
    Effect.gen(function* () {
      const { before, by, consent, id } = yield* asked
      for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"])
        refused(yield* forge(by, consent, { headers: { origin, "sec-fetch-site": "cross-site" } }))
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect(
    "by trying proofs: at the fifth wrong one the pairing code is locked, and the right one is too late",
    () =>
      Effect.gen(function* () {
        const { before, by, consent, id } = yield* asked
        for (let i = 0; i < 5; i++)
          refused(yield* forge(by, consent, { fields: { proof: `${i}`.repeat(43) } }))
        assert.deepStrictEqual(yield* statusesOf(id), ["locked"])
        refused(yield* by.press(consent, "allow"))
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )

  it.effect("by session fixation: a cookie planted before the code was typed opens nothing after it", () =>
    Effect.gen(function* () {
      const id = yield* agent
      const made = yield* request(yield* client())
      const thief = new Browser()
      yield* open(made, thief)
      const victim = new Browser()
      for (const [name, value] of thief.cookies) victim.cookies.set(name, value)
      const consent = yield* typeCode(made, (yield* newPairingCode(id)).code, victim)
      assert.strictEqual(consent.status, 200)
      const before = yield* spoilsOf(id)
      const fresh = [...victim.cookies].filter(([name]) => !thief.cookies.has(name))
      assert.lengthOf(fresh, 1, "the consent has a cookie of its own")
      refused(yield* thief.press(consent, "allow"))
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect(
    "by clickjacking: no page of a login can be framed, and none runs or loads anything foreign",
    () =>
      Effect.gen(function* () {
        const { by, consent, made } = yield* asked
        const pages = [
          yield* open(made),
          consent,
          yield* forge(by, consent, { headers: { cookie: undefined } }),
          yield* open(yield* request("00000000-0000-4000-8000-000000000000"))
        ]
        for (const { headers, text } of pages) {
          const policy = String(headers["content-security-policy"])
          for (const rule of [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action "
          ])
            assert.include(policy, rule)
          assert.notInclude(policy, "unsafe")
          assert.strictEqual(headers["x-frame-options"], "DENY")
          assert.strictEqual(headers["x-content-type-options"], "nosniff")
          assert.match(String(headers["cache-control"]), /no-store/)
          assert.notMatch(text, /<script|<iframe|<img|<link|\son\w+=|javascript:/i)
        }
      })
  )

  it.effect("by cookies: theirs are for this host alone, unread by scripts, unsent from other sites", () =>
    Effect.gen(function* () {
      const { consent, made } = yield* asked
      const page = yield* open(made)
      for (const { headers } of [page, consent]) {
        const [cookie = "", ...more] = headers["set-cookie"] ?? []
        assert.lengthOf(more, 0)
        assert.match(cookie, /; HttpOnly/)
        assert.match(cookie, /; SameSite=(Lax|Strict)/)
        assert.match(cookie, /; Path=\//)
        assert.notMatch(cookie, /; Domain=/)
      }
    })
  )

  it.effect("by answering twice: of two answers to one consent one counts, and all are given its code", () =>
    Effect.gen(function* () {
      const { by, consent, id, made } = yield* asked
      const { cookies } = by
      const again = () => {
        const same = new Browser()
        for (const [name, value] of cookies) same.cookies.set(name, value)
        return same
      }
      const seen = yield* Effect.all(
        Array.from({ length: 8 }, () => again().press(consent, "allow")),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(new Set(seen.map(({ headers }) => headers.location)), 1)
      const code = answerOf(seen[0] as Shown).get("code") ?? ""
      refused(yield* again().press(consent, "deny"))
      refused(yield* new Browser().press(consent, "allow"))
      assert.strictEqual((yield* exchange(made, code)).status, 200)
      refused(yield* again().press(consent, "allow"))
      refused(yield* new Browser().press(consent, "deny"))
      const { live } = yield* spoilsOf(id)
      assert.lengthOf(live, 2, "the agent's own token and one login")
    })
  )

  it.effect("by using one code for a login and a redemption at once: it is good for one of them", () =>
    Effect.gen(function* () {
      const { by, code, consent, id } = yield* asked
      const [left, redeemed] = yield* Effect.all([by.press(consent, "allow"), redeem(code)], {
        concurrency: "unbounded"
      })
      const isAllowed = left.headers.location !== undefined
      assert.strictEqual(redeemed.status, isAllowed ? 409 : 201)
      if (!isAllowed) refused(left)
      const { done, live } = yield* spoilsOf(id)
      assert.lengthOf(live, 2, "the agent's own token and one more")
      assert.lengthOf(
        done.filter((what) => what.startsWith("pairing_code.used")),
        1
      )
    })
  )

  it.effect(
    "by swapping the request under a consent: it holds for the request that was shown and no other",
    () =>
      Effect.gen(function* () {
        const { before, by, consent, id, made } = yield* asked
        const evil = yield* client({ client_name: "Evil", redirect_uris: ["http://127.0.0.1:1/evil"] })
        for (const change of [
          { client_id: evil, redirect_uri: "http://127.0.0.1:1/evil" },
          { state: "another" },
          { code_challenge: "A".repeat(43) },
          { scope: "project:read" },
          { redirect_uri: callback.replace("49152", "49153") }
        ]) {
          const other = yield* authorizeUrl({ ...made, parameters: { ...made.parameters, ...change } })
          refused(yield* forge(by, consent, { query: new URL(other).search }))
        }
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )

  it.effect(
    "by ticking what is not offered: no more is given than was asked, is granted and was ticked",
    () =>
      Effect.gen(function* () {
        const id = yield* agent
        const by = new Browser()
        const made = yield* request(yield* client(), { scope: "project:read issue:read issue:update" })
        const consent = yield* typeCode(made, (yield* newPairingCode(id)).code, by)
        assert.notInclude(consent.text, 'value="issue:update"')
        assert.notInclude(consent.text, 'value="issue:create"')
        const ticked = ["issue:read", "issue:create", "issue:update", "issue:delete"]
        const seen = yield* by.press(consent, "allow", { scope: ticked })
        if (seen.headers.location === undefined) return refused(seen)
        const { json } = yield* exchange(made, answerOf(seen).get("code") ?? "")
        assert.strictEqual(json.scope, "issue:read")
        const session = yield* send("/api/v1/agent-session", { token: json.access_token })
        assert.deepStrictEqual(session.json.scopes, ["issue:read"])
      })
  )

  it.effect(
    "by consent bypass: a program of the same name, or one that was agreed to before, is asked for anew",
    () =>
      Effect.gen(function* () {
        const { by, consent, id, made } = yield* asked
        assert.isDefined((yield* by.press(consent, "allow")).headers.location)
        const before = yield* spoilsOf(id)
        const namesake = yield* client({ redirect_uris: ["http://127.0.0.1:2/evil"] })
        const again = made.parameters.client_id ?? ""
        for (const next of [
          yield* request(namesake, { redirect_uri: "http://127.0.0.1:2/evil" }),
          yield* request(again),
          yield* request(again, { prompt: "none" })
        ]) {
          const page = yield* open(next, by)
          if (page.headers.location !== undefined) {
            assert.isFalse(answerOf(page).has("code"))
            continue
          }
          assert.strictEqual(page.status, 200)
          assert.include(page.text, 'name="code"', "the code is asked for")
          refused(yield* by.press(page, "continue", { code: "" }))
        }
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )
})

layer(served({ NODEDC_AGENT_GATEWAY_PUBLIC_URL: "https://agents.example.test" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("an attack on the pages of a public gateway", (it) => {
  it.effect(
    "by a cookie of a neighbouring host, or of somebody on the line: its own can't be set by either",
    () =>
      Effect.gen(function* () {
        const resource = "https://agents.example.test/mcp"
        const { headers } = yield* open(yield* request(yield* client(), { resource }))
        const [cookie = ""] = headers["set-cookie"] ?? []
        assert.match(cookie, /^__Host-[^=]+=[^;]+; Path=\/;.*; Secure$/)
      })
  )
})
