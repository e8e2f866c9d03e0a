import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { isPublicAddress } from "../../src/domain/PublicAddress.ts"
import { fetchPinned, publicNet } from "../../src/layers/oauth/pinnedFetch.ts"

/**
 * Attacks by the address of a client's metadata document: it is to lead the gateway to its own machine or network
 * (SSRF). What counts is that nobody was connected to.
 */

interface Listener {
  readonly port: number
  /** How many connections were made to it. */
  readonly met: () => number
}

/** Somebody who listens on the gateway's own machine, and answers nothing. */
const listener = (address: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly sockets: Set<Socket>; met: number }>((resume) => {
        const state = { server: createServer(), sockets: new Set<Socket>(), met: 0 }
        state.server.on("connection", (socket) => {
          state.met++
          state.sockets.add(socket)
          socket.destroy()
        })
        state.server.listen(0, address, () => resume(Effect.succeed(state)))
      }),
      ({ server, sockets }) =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    ),
    (state): Listener => {
      const found = state.server.address()
      return { port: typeof found === "object" && found !== null ? found.port : 0, met: () => state.met }
    }
  )

const because = (reading: ReturnType<typeof fetchPinned>) =>
  Effect.match(reading, { onFailure: (failure) => failure.because, onSuccess: () => "it was read" })

describe("a client's metadata document", () => {
  it.live("at a private address is not asked for, however the address is spelled", () =>
    Effect.gen(function* () {
      const { met, port } = yield* listener("127.0.0.1")
      for (const host of [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]"
      ]) {
        const said = yield* because(fetchPinned(new URL(`https://${host}:${port}/client.json`), publicNet))
        assert.match(said, /not public|could not be resolved/, host)
      }
      assert.strictEqual(met(), 0)
    })
  )

  it.live("is not asked for where one of several addresses of its name is private", () =>
    Effect.gen(function* () {
      const { met, port } = yield* listener("127.0.0.1")
      const resolve = async () => ["93.184.216.34", "127.0.0.1"]
      const said = yield* because(
        fetchPinned(new URL(`https://mixed.example:${port}/client.json`), { ...publicNet, resolve })
      )
      assert.include(said, "not public")
      assert.strictEqual(met(), 0)
    })
  )

  it.live(
    "is asked for where its name led when it was looked at, wherever the name leads then (DNS rebinding)",
    () =>
      Effect.gen(function* () {
        const { met, port } = yield* listener("127.0.0.1")
        let resolved = 0
        const net = {
          // The first answer is taken for a public address; every later one leads into a network of one's own.
          resolve: async () => [resolved++ === 0 ? "127.0.0.1" : "10.0.0.1"],
          mayAsk: (address: string) => address === "127.0.0.1"
        }
        const url = new URL(`https://rebound.example:${port}/client.json`)
        assert.include(yield* because(fetchPinned(url, net)), "no connection")
        assert.deepStrictEqual([resolved, met()], [1, 1])
        assert.include(yield* because(fetchPinned(url, net)), "not public")
        assert.deepStrictEqual([resolved, met()], [2, 1])
      })
  )

  it("is nobody's whose address belongs to a network of one's own", () => {
    for (const address of [
      "10.1.2.3",
      "100.64.0.1",
      "127.255.255.254",
      "169.254.169.254",
      "172.31.0.1",
      "192.168.1.1",
      "198.18.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "::ffff:10.0.0.1",
      "64:ff9b::a00:1",
      "fc00::1",
      "fe80::1",
      "fec0::1",
      "ff02::1",
      "2001:db8::1",
      "2002:7f00:1::1",
      "not an address",
      ""
    ])
      assert.isFalse(isPublicAddress(address), address)
    for (const address of ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"])
      assert.isTrue(isPublicAddress(address), address)
  })
})
