import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import {
  answerOf,
  authorizeUrl,
  callback,
  client,
  open,
  register,
  request,
  typeCode
} from "../support/login-steps.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newAddress, newPairingCode } from "../support/pairing.ts"
import { exchange as rawExchange } from "../support/raw-http.ts"
import { type Reply, Served, served } from "../support/served.ts"
import { spoilsOf, victim } from "../support/spoils.ts"

/**
 * Known attacks by programs that are not what they seem, each under its name: what is refused, and that nobody was
 * led anywhere or given anything. Addresses are those that a trusted proxy names.
 */

const agent = Effect.map(victim(["issue:read"]), ({ id }) => id)

const clients = Effect.map(query`select count(*)::int as count from oauth_clients`, ([row]) =>
  Number(row?.count)
)

/** Answered here, with no way on: a page or a JSON object, no redirect. */
const stays = (reply: Reply, what: string) => {
  assert.isAtLeast(reply.status, 400, what)
  assert.isBelow(reply.status, 500, what)
  assert.isUndefined(reply.headers.location, what)
}

/** Redirect URIs that nobody may register, each for another trick. */
const neverRegistered = {
  "another host": "https://evil.example/callback",
  "another host over plain HTTP": "http://evil.example/callback",
  "a host that begins like the loopback": "http://127.0.0.1.evil.example/callback",
  "a host that begins with localhost": "http://localhost.evil.example/callback",
  "the loopback as a user": "http://127.0.0.1:80@evil.example/callback",
  "a user before the loopback": "http://user:password@127.0.0.1/callback",
  "an empty user": "http://@127.0.0.1/callback",
  "a fragment": "http://127.0.0.1/callback#fragment",
  "an empty fragment": "http://127.0.0.1/callback#",
  "an encoded host": "http://127.0.0.1%2eevil.example/callback",
  "an encoded slash": "http://127.0.0.1/callback%2f..%2fother",
  "an encoded line feed": "http://127.0.0.1/callback%0d%0aSet-Cookie:%20a=b",
  "a line feed": "http://127.0.0.1/callback\r\nSet-Cookie: a=b",
  "a tab in the host": "http://127.0.0.1\t.evil.example/callback",
  "a backslash": "http://127.0.0.1\\.evil.example/callback",
  "a backslash for the slashes": "http:\\\\127.0.0.1\\callback",
  "dot segments": "http://127.0.0.1/callback/../other",
  "a wildcard host": "https://*.example/callback",
  "the unspecified address": "http://0.0.0.0/callback",
  "the loopback as a number": "http://2130706433/callback",
  "the loopback in hexadecimal": "http://0x7f.0.0.1/callback",
  "a short loopback": "http://127.1/callback",
  "another address of the loopback": "http://127.0.0.2/callback",
  "a mapped loopback": "http://[::ffff:127.0.0.1]/callback",
  "a private address": "http://192.168.0.1/callback",
  "another scheme": "ftp://127.0.0.1/callback",
  "a script": "javascript:alert(1)//http://127.0.0.1/callback",
  data: "data:text/html,<script>alert(1)</script>",
  "a private-use scheme": "cursor://anysphere.cursor-mcp/oauth/callback",
  "a name of look-alike letters": "http://lосalhost/callback",
  "a scheme-relative address": "//evil.example/callback",
  "no address": "callback"
}

/** What a program that registered `http://127.0.0.1:49152/callback` may not be answered at. */
const notTheRegistered = {
  ...neverRegistered,
  "another path": "http://127.0.0.1:49152/other",
  "a longer path": "http://127.0.0.1:49152/callback/more",
  "a slash more": "http://127.0.0.1:49152/callback/",
  "another case": "http://127.0.0.1:49152/Callback",
  "a query more (open redirect)": "http://127.0.0.1:49152/callback?next=https://evil.example",
  "another loopback host": "http://localhost:49152/callback",
  "the other family's loopback": "http://[::1]:49152/callback",
  "the loopback over HTTPS": "https://127.0.0.1:49152/callback",
  "a port that is none": "http://127.0.0.1:99999/callback",
  nothing: undefined
}

layer(served({ TRUSTED_PROXIES: "127.0.0.1", OAUTH_CIMD_HOSTS: "chatgpt.com,localhost,127.0.0.1" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("an attack by a program", (it) => {
  it.effect.each(Object.entries(neverRegistered))(
    "by a redirect URI with %s: it can't be registered",
    ([, uri]) =>
      Effect.gen(function* () {
        const from = { headers: { "x-forwarded-for": newAddress() } }
        const { json, status } = yield* register({ redirect_uris: [uri] }, from)
        assert.deepStrictEqual([status, json.error], [400, "invalid_redirect_uri"])
        assert.isUndefined(json.client_id)
      })
  )

  it.effect("by a redirect URI among good ones: it is left out, and nobody is sent there", () =>
    Effect.gen(function* () {
      const website = "https://www.cursor.com/agents/mcp/oauth/callback"
      const scheme = "cursor://anysphere.cursor-mcp/oauth/callback"
      const { json } = yield* register({ redirect_uris: [scheme, website, callback] })
      assert.deepStrictEqual(json.redirect_uris, [callback])
      for (const redirect_uri of [website, scheme])
        stays(yield* open(yield* request(json.client_id, { redirect_uri })), redirect_uri)
      assert.strictEqual((yield* open(yield* request(json.client_id))).status, 200)
    })
  )

  it.effect("by any of these has left nothing behind", () =>
    Effect.gen(function* () {
      const registered = yield* query`select unnest(redirect_uris) as uri from oauth_clients`
      const uris = registered.map(({ uri }) => String(uri))
      assert.deepStrictEqual(
        uris.filter((uri) => Object.values(neverRegistered).includes(uri)),
        []
      )
    })
  )

  it.effect("by a redirect URI that is not to the letter the registered one: the page leads nowhere", () =>
    Effect.gen(function* () {
      const id = yield* agent
      const clientId = yield* client()
      const before = yield* spoilsOf(id)
      for (const [what, redirect_uri] of Object.entries(notTheRegistered)) {
        const page = yield* open(yield* request(clientId, { redirect_uri }))
        stays(page, what)
        assert.notInclude(page.text, 'name="code"', what)
        assert.notMatch(page.text, /href="(?![/?])/, what)
      }
      assert.deepStrictEqual(yield* spoilsOf(id), before)
    })
  )

  it.effect("by a wildcard in a registered redirect URI: it stands for itself alone", () =>
    Effect.gen(function* () {
      const clientId = yield* client({ redirect_uris: ["http://127.0.0.1:49152/*"] })
      for (const redirect_uri of [callback, "http://127.0.0.1:49152/", "http://127.0.0.1:49152/**"])
        stays(yield* open(yield* request(clientId, { redirect_uri })), redirect_uri)
    })
  )

  it.effect(
    "by parameter pollution: a parameter that is there twice is refused, whichever is the right one",
    () =>
      Effect.gen(function* () {
        const clientId = yield* client()
        const url = yield* authorizeUrl(yield* request(clientId))
        for (const more of [
          `redirect_uri=${encodeURIComponent("http://127.0.0.1:1/evil")}`,
          `redirect_uri=${encodeURIComponent(callback)}`,
          `client_id=${clientId}`
        ])
          stays(yield* new Browser().open(`${url}&${more}`), more)
        const twice = yield* new Browser().open(`${url}&state=another`)
        if (twice.headers.location !== undefined)
          assert.strictEqual(answerOf(twice).get("error"), "invalid_request")
        else stays(twice, "state")
      })
  )

  it.effect(
    "by a link from a stranger (remote phishing): no code is asked for that would go to another machine",
    () =>
      Effect.gen(function* () {
        const id = yield* agent
        const { code } = yield* newPairingCode(id)
        const before = yield* spoilsOf(id)
        const reply = yield* register(
          { client_name: "Codex", redirect_uris: ["https://evil.example/callback"] },
          { headers: { "x-forwarded-for": "203.0.113.66" } }
        )
        assert.strictEqual(reply.json.error, "invalid_redirect_uri")
        // What a stranger can register leads to the reader's own machine, and the page says who asks and from where.
        const registered = yield* register(
          { client_name: "Codex" },
          { headers: { "x-forwarded-for": "203.0.113.66" } }
        )
        const by = new Browser()
        const made = yield* request(registered.json.client_id)
        const consent = yield* typeCode(made, code, by)
        for (const shown of ["Codex", "127.0.0.1", "203.0.113.66", "owner@example.test"])
          assert.include(consent.text, shown)
        const denied = yield* by.press(consent, "deny")
        assert.strictEqual(answerOf(denied).get("error"), "access_denied")
        assert.strictEqual(new URL(String(denied.headers.location)).hostname, "127.0.0.1")
        assert.deepStrictEqual(yield* spoilsOf(id), before)
      })
  )

  it.effect("by a DCR flood: a network has thirty an hour, and others are not held up by it", () =>
    Effect.gen(function* () {
      const before = yield* clients
      const from = (address: string) => register({}, { headers: { "x-forwarded-for": address } })
      const replies = yield* Effect.all(
        Array.from({ length: 60 }, (_, i) => from(`198.51.100.${i}`)),
        { concurrency: 16 }
      )
      assert.lengthOf(
        replies.filter(({ status }) => status === 201),
        30
      )
      for (const { headers, status } of replies) {
        if (status === 201) continue
        assert.strictEqual(status, 429)
        assert.match(String(headers["retry-after"]), /^[1-9]\d*$/)
      }
      assert.strictEqual((yield* from("203.0.113.1")).status, 201)
      assert.strictEqual(yield* clients, before + 31)
    })
  )

  it.effect(
    "by a registration that is more than it may be: secrets, other grants, too much of anything",
    () =>
      Effect.gen(function* () {
        const before = yield* clients
        for (const change of [
          { token_endpoint_auth_method: "client_secret_basic" },
          { grant_types: ["implicit"] },
          { grant_types: ["password"] },
          { response_types: ["token"] },
          { redirect_uris: [] },
          { redirect_uris: undefined },
          { redirect_uris: Array.from({ length: 100 }, (_, i) => `http://127.0.0.1:${1000 + i}/callback`) },
          { redirect_uris: [`http://127.0.0.1/${"a".repeat(5000)}`] },
          { client_name: "x".repeat(20_000) }
        ]) {
          const reply = yield* register(change, { headers: { "x-forwarded-for": newAddress() } })
          if (reply.status === 201) {
            // RFC 7591 section 2: a server may put in what it supports for what was asked.
            assert.strictEqual(
              reply.json.token_endpoint_auth_method,
              "none",
              JSON.stringify(change).slice(0, 80)
            )
            assert.isUndefined(reply.json.client_secret)
            assert.sameMembers(reply.json.response_types, ["code"])
            assert.includeMembers(["authorization_code", "refresh_token"], reply.json.grant_types)
          } else assert.include([400, 413], reply.status, JSON.stringify(change).slice(0, 80))
        }
        assert.isAtMost((yield* clients) - before, 4)
      })
  )

  it.effect(
    "by a client id that is an address: only documents of named hosts are read, over HTTPS alone",
    () =>
      Effect.gen(function* () {
        for (const id of [
          "https://evil.example/client.json",
          "https://chatgpt.com.evil.example/client.json",
          "https://chatgpt.com@evil.example/client.json",
          "http://chatgpt.com/client.json",
          "https://chatgpt.com:8443/client.json",
          "https://[::1]/client.json",
          "https://169.254.169.254/latest/meta-data",
          "https://localhost/client.json",
          "file:///etc/passwd"
        ])
          stays(yield* open(yield* request(id)), id)
        // A host that is named, but whose address nobody may be sent to: looked at, and not asked.
        const inner = yield* open(yield* request("https://127.0.0.1/client.json"))
        assert.strictEqual(inner.status, 502)
        assert.isUndefined(inner.headers.location)
        assert.notInclude(inner.text, 'name="code"')
      })
  )

  it.effect(
    "by markup and bidirectional letters in a client's name: text stays text, in the order it is read",
    () =>
      Effect.gen(function* () {
        const id = yield* agent
        const name = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>\u202Egro.live\u2066\u200B`
        const made = yield* request(yield* client({ client_name: name }))
        const by = new Browser()
        const first = yield* open(made, by)
        const consent = yield* by.press(first, "continue", { code: (yield* newPairingCode(id)).code })
        for (const { text } of [first, consent]) {
          assert.notMatch(text, /<script|<img|[\u202A-\u202E\u2066-\u2069\u200B]/)
          assert.include(text, "&lt;script&gt;")
        }
      })
  )

  it.effect("by a client's name that looks like another's: letters of several alphabets are marked", () =>
    Effect.gen(function* () {
      const plain = yield* open(yield* request(yield* client({ client_name: "Codex" })))
      const lookalike = yield* open(yield* request(yield* client({ client_name: "Соdex" })))
      assert.notStrictEqual(
        lookalike.text.replace(/Соdex/g, "Codex").length,
        plain.text.length,
        "something is said about it"
      )
    })
  )

  it.effect("by header splitting: what a client sends ends up in no header but as it may stand there", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const clientId = yield* client()
      for (const state of ["a\r\nSet-Cookie: stolen=1", "a\nLocation: https://evil.example", "\u0000", "é"]) {
        const page = yield* open(yield* request(clientId, { state }))
        assert.notInclude(page.headers["set-cookie"]?.join() ?? "", "stolen")
        if (page.headers.location !== undefined) {
          assert.match(page.headers.location, /^http:\/\/127\.0\.0\.1:49152\/callback\?[\x21-\x7e]*$/)
          assert.strictEqual(answerOf(page).get("error"), "invalid_request")
        }
      }
      const target = new URL(yield* authorizeUrl(yield* request(clientId)))
      const answer = yield* rawExchange(
        url,
        [
          `GET ${target.pathname}${target.search}&lang=ru%0d%0aSet-Cookie:stolen=1 HTTP/1.1\r\n`,
          `Host: ${target.host}\r\nConnection: close\r\nX-Request-Id: a%0d%0aSet-Cookie:stolen=1\r\n\r\n`
        ],
        /\r\n\r\n/
      )
      assert.notMatch(answer.split("\r\n\r\n")[0] ?? "", /stolen/)
    })
  )
})
