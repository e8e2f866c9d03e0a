import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import { secret } from "../support/gateway.ts"
import { redeem } from "../support/pairing.ts"
import { operate, type Sent, Served, send, served } from "../support/served.ts"

/** Who may use the lifecycle API: by the token, by the address, and not by way of a web page. */

interface Route {
  readonly method: string
  readonly path: string
}

/** Every route of the REST API but those that are open to all, with an id of none in place of each parameter. */
const routes: ReadonlyArray<Route> = (() => {
  const found: Array<Route> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path }, group: { identifier } }) => {
      if (identifier !== "meta") {
        found.push({ method, path: path.replace(/:\w+/g, "00000000-0000-4000-8000-000000000000") })
      }
    }
  })
  return found
})()

const withBody = (method: string): Sent => (method === "POST" || method === "PATCH" ? { body: {} } : {})

layer(served({ ALLOWED_ORIGINS: "https://board.example" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a web page of another site", (it) => {
  it.effect("is refused on every route, with and without the token, and told of ALLOWED_ORIGINS", () =>
    Effect.gen(function* () {
      const { internalToken } = yield* Served
      assert.isAbove(routes.length, 40)
      for (const { method, path } of routes) {
        for (const token of [undefined, internalToken]) {
          for (const headers of [
            { origin: "https://evil.example" },
            { origin: "null" },
            { "sec-fetch-site": "cross-site" }
          ]) {
            const { json, status } = yield* send(path, { method, token, headers, ...withBody(method) })
            assert.deepStrictEqual([status, json?.code], [403, "request.origin"], `${method} ${path}`)
            assert.include(json.detail, "ALLOWED_ORIGINS")
          }
        }
      }
    })
  )

  it.effect("passes if its origin is the gateway's own or one of ALLOWED_ORIGINS, and only then", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      for (const origin of [url, "https://board.example"]) {
        const headers = { origin, "sec-fetch-site": "cross-site" }
        assert.strictEqual((yield* operate("/api/v1/agents", { headers })).status, 200)
        const redeemed = yield* redeem("BCDF-GHJK-LMNP", {}, { headers })
        assert.strictEqual(redeemed.json.code, "pairing.unknown")
      }
    })
  )

  it.effect("can link to what is open to all", () =>
    Effect.gen(function* () {
      for (const path of ["/healthz", "/readyz", "/api/v1/meta/capabilities", "/docs"]) {
        assert.strictEqual((yield* send(path, { headers: { "sec-fetch-site": "cross-site" } })).status, 200)
      }
    })
  )
})

layer(served({ TRUSTED_PROXIES: "127.0.0.1", LIFECYCLE_NETWORKS: "10.1.0.0/16, 2001:db8::/32" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("LIFECYCLE_NETWORKS", (it) => {
  const from = (address: string | undefined): Sent => ({ headers: { "x-forwarded-for": address } })

  it.effect("open the lifecycle API to their addresses and close it to all others, whatever the token", () =>
    Effect.gen(function* () {
      for (const address of ["10.1.2.3", "2001:db8::7"]) {
        assert.strictEqual((yield* operate("/api/v1/agents", from(address))).status, 200)
      }
      for (const address of ["10.2.0.1", "203.0.113.9", "2001:db9::7", undefined]) {
        for (const path of ["/api/v1/agents", "/api/internal/v1/owners/o/agents", "/api/v1/audit/keys"]) {
          for (const token of [{}, { token: "wrong" }]) {
            const { json, status } = yield* operate(path, { ...from(address), ...token })
            assert.deepStrictEqual([status, json.code], [403, "request.address"])
            assert.include(json.detail, "LIFECYCLE_NETWORKS")
          }
        }
      }
    })
  )

  it.effect("say who is shown what /readyz has for operators", () =>
    Effect.gen(function* () {
      assert.property((yield* operate("/readyz", from("10.1.2.3"))).json, "operators")
      assert.notProperty((yield* operate("/readyz", from("203.0.113.9"))).json, "operators")
    })
  )

  it.effect("keep nobody from redeeming a code", () =>
    Effect.gen(function* () {
      const { json } = yield* redeem("BCDF-GHJK-LMNP")
      assert.strictEqual(json.code, "pairing.unknown")
    })
  )
})

const before = secret()

layer(
  served({
    NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN: before,
    NODEDC_AGENT_GATEWAY_PUBLIC_URL: "https://a.example"
  }),
  { timeout: "10 minutes", excludeTestServices: true }
)("while the internal token is rotated", (it) => {
  it.effect("the new one and the previous one are accepted, and no other", () =>
    Effect.gen(function* () {
      const { internalToken } = yield* Served
      for (const [token, status] of [
        [internalToken, 200],
        [before, 200],
        [`${before}x`, 401],
        [secret(), 401]
      ] as const) {
        assert.strictEqual((yield* operate("/api/v1/agents", { token })).status, status)
      }
    })
  )

  it.effect("/readyz reminds operators of the previous one", () =>
    Effect.gen(function* () {
      const { json } = yield* operate("/readyz")
      assert.match(
        json.operators.warnings.join(),
        /NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN is still accepted/
      )
    })
  )
})
