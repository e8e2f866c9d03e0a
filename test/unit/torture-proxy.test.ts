import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomOf } from "../torture/Random.ts"
import { type LinkFault, type TcpProxy, tcpProxy } from "../torture/TcpProxy.ts"

interface Place {
  readonly proxy: TcpProxy
  readonly struck: Array<LinkFault>
  /** All that the server was sent. */
  readonly received: () => string
  readonly client: () => Socket
}

/** A server that says everything back, with a proxy before it. */
const place = (seed = 1) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let received = ""
      const sockets = new Set<Socket>()
      const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("data", (chunk) => {
          received += chunk
          socket.write(chunk)
        })
        socket.on("end", () => socket.end())
      })
      await once(server.listen(0, "127.0.0.1"), "listening")
      const address = server.address()
      const struck: Array<LinkFault> = []
      const proxy = await tcpProxy({
        target: { host: "127.0.0.1", port: typeof address === "object" && address ? address.port : 0 },
        random: randomOf(seed, "proxy"),
        struck: (fault) => struck.push(fault)
      })
      const client = () => {
        const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true })
        socket.on("error", () => undefined)
        sockets.add(socket)
        return socket
      }
      const close = async () => {
        await proxy.close()
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      return { place: { proxy, struck, client, received: () => received } satisfies Place, close }
    }),
    ({ close }) => Effect.promise(close)
  ).pipe(Effect.map(({ place }) => place))

/** What comes back until the connection is over, or as long as was asked for. */
const heard = (socket: Socket, length = Number.POSITIVE_INFINITY): Promise<string> =>
  new Promise((done) => {
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk
      if (text.length >= length) done(text)
    })
    socket.on("end", () => done(text))
    socket.on("close", () => done(text))
  })

const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (met) => met, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("5 minutes")
  )

const always = (fault: LinkFault) => ({ fault, chance: 1 })

describe("the proxy of the torture run", () => {
  it.live("passes everything on while the weather is good", () =>
    Effect.gen(function* () {
      const { client, struck } = yield* place()
      const socket = client()
      socket.write("one")
      assert.strictEqual(yield* Effect.promise(() => heard(socket, 3)), "one")
      assert.deepStrictEqual(struck, [])
    })
  )

  it.live("cuts before the request is passed on, or before the reply is", () =>
    Effect.gen(function* () {
      const { client, proxy, received, struck } = yield* place()
      proxy.weather(always("cut"))
      for (let times = 0; times < 12; times++) {
        const socket = client()
        socket.write("x")
        assert.strictEqual(yield* Effect.promise(() => heard(socket)), "")
      }
      assert.lengthOf(struck, 12)
      assert.isAbove(received().length, 0)
      assert.isBelow(received().length, 12)
    })
  )

  it.live("swallows the reply and leaves the client waiting", () =>
    Effect.gen(function* () {
      const { client, proxy, received } = yield* place()
      proxy.weather(always("swallow"))
      const socket = client()
      let answered = false
      socket.on("data", () => {
        answered = true
      })
      socket.write("x")
      yield* until(() => received() === "x")
      // What is written after it is answered no sooner: by then the first answer would have come.
      proxy.weather(undefined)
      const other = client()
      other.write("y")
      assert.strictEqual(yield* Effect.promise(() => heard(other, 1)), "y")
      assert.isFalse(answered)
      assert.isFalse(socket.destroyed)
    })
  )

  it.live("delivers a request that it held up though its client has left", () =>
    Effect.gen(function* () {
      const { client, proxy, received } = yield* place(3)
      proxy.weather(always("delay"))
      for (let times = 0; times < 6; times++) {
        const socket = client()
        socket.end("x")
        yield* Effect.promise(() => once(socket, "finish"))
        socket.destroy()
      }
      yield* until(() => received().length === 6)
    })
  )

  it.live("tells one side that nothing more will come, after the request is passed on", () =>
    Effect.gen(function* () {
      const { client, proxy, received } = yield* place()
      proxy.weather(always("half_close"))
      const replies = new Set<string>()
      for (let times = 0; times < 12; times++) {
        const socket = client()
        socket.write("x")
        replies.add(yield* Effect.promise(() => heard(socket)))
      }
      assert.strictEqual(received(), "x".repeat(12))
      assert.deepStrictEqual([...replies].toSorted(), ["", "x"])
    })
  )
})
