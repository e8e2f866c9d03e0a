import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, References } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { Settings } from "../../src/Config.ts"
import { ForwardingPeers, make } from "../../src/edge/ForwardingPeers.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import { serve } from "../../src/http/Server.ts"
import { asJson, logger } from "../../src/layers/Logging.ts"
import { exchange } from "../support/raw-http.ts"

/** A server behind a proxy at 127.0.0.1; `lines` is its log. */
const behindProxy = Effect.fnUntraced(function* (variables: Readonly<Record<string, string>>) {
  const lines: Array<string> = []
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/quick", Effect.succeed(Response.jsonUnsafe({ done: true }))),
    HttpRouter.use((router) =>
      Effect.flatMap(ForwardingPeers, (peers) =>
        router.add(
          "GET",
          "/warnings",
          Effect.sync(() => Response.jsonUnsafe(peers.warnings()))
        )
      )
    )
  )
  const context = yield* Layer.build(
    serve(routes).pipe(
      Layer.provide(Settings.layer({ PORT: "0", ...variables })),
      Layer.provide(Logger.layer([logger(asJson, (line) => lines.push(line))])),
      Layer.provide(Layer.succeed(References.MinimumLogLevel, "Info"))
    )
  )
  const { listenOrigin } = Context.get(context, Addresses)
  const get = (path: string, forwarded?: string) =>
    exchange(listenOrigin, [
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${forwarded === undefined ? "" : `X-Forwarded-For: ${forwarded}\r\n`}Connection: close\r\n\r\n`
    ])
  return { get, warned: () => lines.filter((line) => line.includes("TRUSTED_PROXIES")) }
})

describe("a proxy that is not in TRUSTED_PROXIES", () => {
  it.live("is named once in the log, and to operators, as soon as it sends X-Forwarded-For", () =>
    Effect.gen(function* () {
      const { get, warned } = yield* behindProxy({})
      yield* get("/quick")
      assert.deepStrictEqual(warned(), [])
      for (const client of ["203.0.113.9", "203.0.113.10"]) yield* get("/quick", client)
      assert.lengthOf(warned(), 1)
      assert.include(warned()[0], "The peer 127.0.0.1 sends X-Forwarded-For and is not in TRUSTED_PROXIES")
      assert.include(yield* get("/warnings"), '["The peer 127.0.0.1 sends')
    })
  )

  it.live("is nothing to warn of once it is trusted", () =>
    Effect.gen(function* () {
      const { get, warned } = yield* behindProxy({ TRUSTED_PROXIES: "127.0.0.0/8" })
      yield* get("/quick", "203.0.113.9")
      assert.deepStrictEqual(warned(), [])
      assert.match(yield* get("/warnings"), /\[\]$/)
    })
  )

  it("stays named, and the log stays short, however many strangers send the header themselves", () => {
    const peers = make(["10.0.0.0/8"])
    let logged = 0
    const seen = (peer: string) => {
      if (peers.seen(peer) !== undefined) logged += 1
    }
    for (let n = 0; n < 5000; n++) {
      seen("172.18.0.1")
      seen(`2001:db8::${n.toString(16)}`)
      seen("10.1.2.3")
    }
    assert.strictEqual(logged, 16)
    assert.lengthOf(peers.warnings(), 3)
    assert.match(peers.warnings()[0] ?? "", /^The peer 172\.18\.0\.1 /)
  })
})

describe("Strict-Transport-Security", () => {
  const unreadable = "BAD\r\n\r\n"

  it.live.each([
    ["https://agents.example", true],
    ["http://agents.example", false],
    ["", false]
  ] as const)(
    "for the public URL %s is sent with every response: %s",
    ([NODEDC_AGENT_GATEWAY_PUBLIC_URL, is]) =>
      Effect.gen(function* () {
        const context = yield* Layer.build(
          serve(HttpRouter.add("GET", "/quick", Effect.succeed(Response.jsonUnsafe({ done: true })))).pipe(
            Layer.provide(Settings.layer({ PORT: "0", NODEDC_AGENT_GATEWAY_PUBLIC_URL })),
            Layer.provide(Logger.layer([]))
          )
        )
        const { listenOrigin } = Context.get(context, Addresses)
        const found = "GET /quick HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for (const bytes of [found, found.replace("quick", "nothing"), unreadable]) {
          const reply = yield* exchange(listenOrigin, [bytes])
          assert.strictEqual(/^strict-transport-security: max-age=31536000\r$/im.test(reply), is, reply)
        }
      })
  )
})
