import { createServer, type Server, type ServerResponse } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Bounds, track } from "../../src/http/Connections.ts"
import { until } from "../support/scripted-tasker.ts"

/** More than the buffers of a connection take, in bytes. */
const large = 64 * 1024 * 1024

/** A server that answers `/` at once, `/large` with more than a socket holds, and `/slow` when it is told to. */
const server = Effect.fnUntraced(function* (bounds: Partial<Bounds> = {}) {
  const waiting: Array<ServerResponse> = []
  const sockets: Array<Socket> = []
  const node: Server = createServer()
  const connections = track(node, { most: 1000, unread: 30_000, ...bounds })
  node.on("connection", (socket) => sockets.push(socket))
  node.on("request", (request, response) => {
    if (request.url === "/slow") waiting.push(response)
    else response.end(request.url === "/large" ? Buffer.alloc(large) : "ok")
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      node.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => node.closeAllConnections())
  )
  return { connections, node, sockets, waiting, port: (node.address() as AddressInfo).port }
})

interface Client {
  readonly socket: Socket
  readonly received: () => string
  readonly get: (path: string) => void
}

const client = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Client>((resume) => {
      let received = ""
      const socket = connect(port, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            socket,
            received: () => received,
            get: (path) => void socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
          })
        )
      )
      socket.on("error", () => {})
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1")
      })
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const answered = (one: Client) => until(() => one.received().endsWith("ok"))

describe("connections past the most there may be", () => {
  it.live("take the place of the one that has been quiet for longest, not of those in use", () =>
    Effect.gen(function* () {
      const { port, waiting } = yield* server({ most: 3 })
      const busy = yield* client(port)
      busy.get("/slow")
      yield* until(() => waiting.length === 1)
      const first = yield* client(port)
      const second = yield* client(port)
      first.get("/")
      yield* answered(first)
      // The first has been heard of since, so it is the second that has been quiet for longest.
      const third = yield* client(port)
      yield* until(() => second.socket.closed)
      third.get("/")
      yield* answered(third)
      first.get("/")
      yield* answered(first)
      waiting[0]?.end("ok")
      yield* answered(busy)
    })
  )

  it.live("take the place of the one whose request has been arriving for longest, where none is quiet", () =>
    Effect.gen(function* () {
      const { port, waiting } = yield* server({ most: 3 })
      const whole = yield* client(port)
      whole.get("/slow")
      yield* until(() => waiting.length === 1)
      const halves = [yield* client(port), yield* client(port)]
      for (const [index, { socket }] of halves.entries()) {
        socket.write("POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        yield* until(() => waiting.length === index + 2)
      }
      const newcomer = yield* client(port)
      yield* until(() => halves[0]?.socket.closed === true)
      newcomer.get("/")
      yield* answered(newcomer)
      waiting[0]?.end("ok")
      yield* answered(whole)
      assert.isFalse(halves[1]?.socket.closed)
    })
  )

  it.live("are refused where all of the others are in use", () =>
    Effect.gen(function* () {
      const { port, waiting } = yield* server({ most: 2 })
      for (const count of [1, 2]) {
        ;(yield* client(port)).get("/slow")
        yield* until(() => waiting.length === count)
      }
      const newcomer = yield* client(port)
      yield* until(() => newcomer.socket.closed)
      assert.strictEqual(waiting.length, 2)
    })
  )
})

describe("a client that asks and does not read", () => {
  it.live("is hung up on", () =>
    Effect.gen(function* () {
      const { port, sockets } = yield* server({ unread: 100 })
      const one = yield* client(port)
      one.socket.pause()
      one.get("/large")
      yield* until(() => sockets[0]?.closed === true)
      one.socket.resume()
      yield* until(() => one.socket.closed)
      assert.isBelow(one.received().length, large)
    })
  )
})

/** A client on a thread of its own. Blocks this one until the client has connected and sent its request. */
const clientWhileBusy = (port: number) =>
  Effect.callback<{ readonly received: () => string }>((resume) => {
    const sent = new Int32Array(new SharedArrayBuffer(4))
    let received = ""
    const worker = new Worker(
      `const { connect } = require("node:net")
       const { parentPort, workerData } = require("node:worker_threads")
       parentPort.once("message", () => {
         const socket = connect(workerData.port, "127.0.0.1", () => {
           socket.write("POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n", () => {
             Atomics.store(workerData.sent, 0, 1)
             Atomics.notify(workerData.sent, 0)
           })
         })
         socket.on("data", (chunk) => parentPort.postMessage(chunk.toString("latin1")))
         socket.on("error", (error) => parentPort.postMessage(error.code))
       })
       parentPort.postMessage("")`,
      { eval: true, workerData: { port, sent } }
    )
    worker.on("message", (text: string) => {
      if (text !== "") received += text
      else {
        worker.postMessage("connect")
        assert.notStrictEqual(Atomics.wait(sent, 0, 0, 60_000), "timed-out")
        resume(Effect.succeed({ received: () => received }))
      }
    })
    return Effect.promise(() => worker.terminate())
  })

describe("a server that is being closed", () => {
  it.live("reads what has arrived on a connection before it closes those that sent nothing", () =>
    Effect.gen(function* () {
      const { connections, port, sockets } = yield* server()
      const late = yield* client(port)
      yield* until(() => sockets.length === 1)
      late.get("/")
      connections.closeSilent()
      yield* answered(late)
    })
  )

  it.live("serves what had connected before, and sends its request afterwards", () =>
    Effect.gen(function* () {
      const { connections, node, port, sockets } = yield* server()
      const early = yield* client(port)
      yield* until(() => sockets.length === 1)
      let closed = false
      let done = false
      connections.release()
      connections.close({
        closed: () => {
          closed = true
        },
        done: () => {
          done = true
        }
      })
      yield* until(() => closed)
      assert.isFalse(node.listening)
      early.get("/")
      yield* answered(early)
      yield* until(() => done)
    })
  )

  it.live("serves what had connected while it was busy, though it has not taken it over yet", () =>
    Effect.gen(function* () {
      const { connections, port } = yield* server()
      const early = yield* clientWhileBusy(port)
      connections.close({ closed: () => {}, done: () => {} })
      yield* until(() => early.received() !== "")
      assert.match(early.received(), /^HTTP\/1\.1 200 OK/)
    })
  )

  it.live("keeps a connection that has sent nothing until it is told to close those", () =>
    Effect.gen(function* () {
      const { connections, port, sockets } = yield* server()
      const silent = yield* client(port)
      yield* until(() => sockets.length === 1)
      let closed = false
      let done = false
      connections.close({
        closed: () => {
          closed = true
        },
        done: () => {
          done = true
        }
      })
      yield* until(() => closed)
      assert.isFalse(done)
      connections.closeSilent()
      yield* until(() => done && silent.socket.closed)
      assert.strictEqual(silent.received(), "")
    })
  )
})
