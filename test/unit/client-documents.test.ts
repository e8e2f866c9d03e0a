import { createServer, type Server } from "node:https"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/Config.ts"
import { isPublicAddress } from "../../src/domain/PublicAddress.ts"
import { layerOver } from "../../src/layers/oauth/ClientDocumentsLive.ts"
import type { Net } from "../../src/layers/oauth/pinnedFetch.ts"
import { ClientDocuments } from "../../src/services/ClientDocuments.ts"
import { cert, host, key } from "../support/certificate.ts"

interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: (id: string) => string
}

const document =
  (more: object = {}) =>
  (id: string) =>
    JSON.stringify({
      client_id: id,
      client_name: "Codex",
      redirect_uris: ["http://127.0.0.1/callback", "codex://callback"],
      token_endpoint_auth_method: "none",
      ...more
    })

/** A host of documents, over TLS on the loopback. */
const hosting = (replies: Readonly<Record<string, Reply | "silence">>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Server; readonly port: number; readonly asked: Array<string> }>(
      (resume) => {
        const asked: Array<string> = []
        const server = createServer({ cert, key }, (request, response) => {
          asked.push(`${request.headers.host}${request.url}`)
          const reply = replies[request.url ?? ""]
          if (reply === "silence") return
          const id = `https://${request.headers.host}${request.url}`
          response.writeHead(reply?.status ?? (reply === undefined ? 404 : 200), {
            "content-type": "application/json",
            ...reply?.headers
          })
          response.end(reply?.body?.(id) ?? "")
        })
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({ server, port: (server.address() as AddressInfo).port, asked }))
        )
      }
    ),
    ({ server }) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

/** Reads over a net in which the host's name leads to these addresses. What is refused is refused on purpose: no log. */
const reading = (port: number, net: Partial<Net> = {}, name = host) =>
  Effect.map(Effect.service(ClientDocuments), (documents) => ({
    read: (id: string, address = "192.0.2.1") => Effect.provide(documents.read(id, address), Logger.layer([]))
  })).pipe(
    Effect.provide(
      layerOver({
        resolve: () => Promise.resolve(["127.0.0.1"]),
        mayAsk: (address) => address === "127.0.0.1",
        ca: cert,
        ...net
      }).pipe(
        Layer.provide(
          Settings.layer({ OAUTH_CIMD_HOSTS: `${name}:${port}`, OAUTH_REDIRECT_HOSTS: "app.example" })
        )
      )
    )
  )

describe("a client's metadata document", () => {
  it.live("says who the client is, and is asked for once in ten minutes", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port)
      const id = `https://${host}:${port}/client.json`
      const client = yield* documents.read(id)
      assert.deepStrictEqual(client, {
        id,
        name: "Codex",
        // A scheme of a program's own can't be sent a code.
        redirectUris: ["http://127.0.0.1/callback"],
        vouchedBy: `${host}:${port}`,
        address: null
      })
      assert.deepStrictEqual(yield* documents.read(id), client)
      assert.deepStrictEqual(asked, [`${host}:${port}/client.json`])
    })
  )

  it.live.each([
    ["another client's", { body: () => document()("https://client.example/another.json") }],
    ["a redirect", { status: 302, headers: { location: "https://client.example/client.json" } }],
    ["not there", { status: 404 }],
    ["not JSON by its type", { headers: { "content-type": "text/html" }, body: document() }],
    ["not JSON", { body: () => "{" }],
    ["over 5 KB", { body: document({ padding: "x".repeat(5 * 1024) }) }],
    ["of a client with a secret", { body: document({ client_secret: "x" }) }],
    ["of a client that proves itself", { body: document({ token_endpoint_auth_method: "private_key_jwt" }) }],
    [
      "without an address that may be sent a code",
      { body: document({ redirect_uris: ["https://evil.example/"] }) }
    ],
    ["an array", { body: () => "[]" }]
  ] as ReadonlyArray<readonly [string, Reply]>)("is not taken where it is %s", ([, reply]) =>
    Effect.gen(function* () {
      const { port } = yield* hosting({ "/client.json": reply })
      const failure = yield* Effect.flip((yield* reading(port)).read(`https://${host}:${port}/client.json`))
      assert.strictEqual(failure.reason, "unreadable")
    })
  )

  it.live("is given up after five seconds", () =>
    Effect.gen(function* () {
      const { port } = yield* hosting({ "/client.json": "silence" })
      const started = performance.now()
      const failure = yield* Effect.flip((yield* reading(port)).read(`https://${host}:${port}/client.json`))
      assert.strictEqual(failure.reason, "unreadable")
      assert.isAtLeast(performance.now() - started, 4900)
    })
  )

  it.live("is not asked for where any address of its host is not public, and no connection is made", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      for (const addresses of [["127.0.0.1"], ["10.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::1"], []]) {
        const net = { resolve: () => Promise.resolve(addresses), mayAsk: isPublicAddress }
        const documents = yield* reading(port, net)
        const failure = yield* Effect.flip(documents.read(`https://${host}:${port}/client.json`))
        assert.strictEqual(failure.reason, "unreadable")
      }
      assert.deepStrictEqual(asked, [])
    })
  )

  it.live("is read from the address that was looked at, whatever the name leads to a moment later", () =>
    Effect.gen(function* () {
      const { port } = yield* hosting({ "/client.json": { body: document() } })
      const looked: Array<string> = []
      let resolutions = 0
      const documents = yield* reading(port, {
        resolve: () => Promise.resolve([resolutions++ === 0 ? "127.0.0.1" : "127.0.0.2"]),
        mayAsk: (address) => {
          looked.push(address)
          return address === "127.0.0.1"
        }
      })
      yield* documents.read(`https://${host}:${port}/client.json`)
      assert.deepStrictEqual([looked, resolutions], [["127.0.0.1"], 1])
    })
  )

  it.live("is kept, and read anew, however many made-up names one network asks for", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port)
      const of = (name: string) => `https://${host}:${port}/${name}.json`
      yield* documents.read(of("client"))
      for (let i = 0; i < 150; i++) yield* Effect.flip(documents.read(of(`made-up-${i}`), "203.0.113.7"))
      // The one that is kept, and the network's share.
      assert.lengthOf(asked, 11)
      yield* documents.read(of("client"))
      assert.lengthOf(asked, 11)
    })
  )

  it.live("is read for one network when another has used its share up", () =>
    Effect.gen(function* () {
      const { port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port)
      const id = `https://${host}:${port}/client.json`
      for (let i = 0; i < 70; i++)
        yield* Effect.flip(documents.read(`https://${host}:${port}/${i}.json`, "203.0.113.7"))
      yield* Effect.flip(documents.read(id, "203.0.113.8"))
      assert.strictEqual((yield* documents.read(id, "192.0.2.1")).name, "Codex")
    })
  )

  it.effect("that was read before is read anew once its time is over, though nothing is left to fetch", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port)
      const id = `https://${host}:${port}/client.json`
      yield* documents.read(id)
      yield* TestClock.adjust("11 minutes")
      for (let i = 0; i < 70; i++)
        yield* Effect.flip(documents.read(`https://${host}:${port}/${i}.json`, `198.51.${i % 7}.1`))
      assert.lengthOf(asked, 61)
      assert.strictEqual((yield* documents.read(id)).name, "Codex")
      assert.lengthOf(asked, 62)
    })
  )

  it.live("is not taken from a host that can't prove its name", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port, {}, "other.example")
      const failure = yield* Effect.flip(documents.read(`https://other.example:${port}/client.json`))
      assert.deepStrictEqual([failure.reason, asked], ["unreadable", []])
    })
  )

  it.live("is only ever asked of the named hosts", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* hosting({ "/client.json": { body: document() } })
      const documents = yield* reading(port)
      for (const id of [
        `https://${host}/client.json`,
        `https://${host}:${port}`,
        `https://${host}:${port}/`,
        `https://${host}:${port}/../client.json`,
        `https://${host}:${port}/client.json?x=1`,
        `https://${host}:${port}/client.json#x`,
        `https://user@${host}:${port}/client.json`,
        `https://x.${host}:${port}/client.json`,
        `http://${host}:${port}/client.json`,
        `https://${host}:${port}/client%2ejson`,
        "https://127.0.0.1/client.json"
      ]) {
        assert.strictEqual((yield* Effect.flip(documents.read(id))).reason, "unknown", id)
      }
      assert.deepStrictEqual(asked, [])
    })
  )
})
