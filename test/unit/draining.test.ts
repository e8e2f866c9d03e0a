import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schedule, Scope } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { Settings } from "../../src/Config.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import { Drain } from "../../src/http/Drain.ts"
import { serve } from "../../src/http/Server.ts"
import { exchange } from "../support/raw-http.ts"

/** A server with calls that last until they are told to end; `stop` tells it to stop. */
const running = Effect.fnUntraced(function* (graceSeconds: number) {
  const end = yield* Deferred.make<void>()
  const begun = { read: yield* Deferred.make<void>(), write: yield* Deferred.make<void>() }
  const waits = (which: keyof typeof begun) =>
    Deferred.succeed(begun[which], undefined).pipe(
      Effect.andThen(Deferred.await(end)),
      Effect.as(Response.jsonUnsafe({ done: true }))
    )
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/quick", Effect.succeed(Response.jsonUnsafe({ done: true }))),
    HttpRouter.add("GET", "/read", waits("read")),
    HttpRouter.add("POST", "/write", Effect.uninterruptible(waits("write"))),
    HttpRouter.use((router) =>
      Effect.flatMap(Drain, (drain) =>
        router.add(
          "GET",
          "/readyz",
          Effect.sync(() => {
            drain.asked()
            return Response.jsonUnsafe({ stage: drain.stage() })
          })
        )
      )
    )
  )
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(
    serve(routes).pipe(
      Layer.provide(Settings.layer({ PORT: "0", SHUTDOWN_GRACE_SECONDS: String(graceSeconds) })),
      Layer.provide(Logger.layer([]))
    ),
    scope
  )
  yield* Effect.addFinalizer(() =>
    Effect.andThen(Deferred.succeed(end, undefined), Scope.close(scope, Exit.void))
  )
  return {
    origin: Context.get(context, Addresses).listenOrigin,
    begun,
    end: Deferred.succeed(end, undefined),
    stop: Effect.forkChild(Scope.close(scope, Exit.void))
  }
})

const request = (method: string, path: string) =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`

const ask = (origin: string, path: string) => exchange(origin, [request("GET", path)], /"[a-z]+":[\s\S]*\}$/)

/** Waits until something is answered as it should be, looking often, at most five minutes. */
const eventually = (answer: Effect.Effect<string>, expected: RegExp) =>
  Effect.flatMap(answer, (text) => (expected.test(text) ? Effect.succeed(text) : Effect.fail(text))).pipe(
    Effect.retry(Schedule.spaced("10 millis").pipe(Schedule.upTo({ duration: "5 minutes" })))
  )

/**
 * A request of which a client has sent so many bytes; `finish` sends the rest, and reads the reply; `closed` waits
 * until the server hangs up, and tells what it said.
 */
const sentSoFar = (origin: string, method: string, path: string, bytes: number) =>
  Effect.callback<{ readonly finish: Effect.Effect<string>; readonly closed: Effect.Effect<string> }>(
    (resume) => {
      const whole = request(method, path)
      let received = ""
      const socket = connect(Number(new URL(origin).port), "127.0.0.1", () => {
        socket.write(whole.slice(0, bytes), () =>
          resume(
            Effect.succeed({
              closed: Effect.callback<string>((done) => {
                socket.once("close", () => done(Effect.succeed(received)))
              }),
              finish: Effect.callback<string>((done) => {
                const settle = () => done(Effect.succeed(received))
                socket.on("error", settle).on("close", settle)
                socket.write(whole.slice(bytes))
              })
            })
          )
        )
      })
      socket.on("data", (chunk) => {
        received += chunk.toString()
      })
    }
  )

const refused = /^$/

describe("a server that is told to stop", () => {
  it.live("says so to whoever looks, and serves as before until they have had time to see it", () =>
    Effect.gen(function* () {
      const { origin, stop } = yield* running(600)
      yield* eventually(ask(origin, "/readyz"), /"serving"/)
      const told = performance.now()
      const stopping = yield* stop
      yield* eventually(ask(origin, "/readyz"), /"leaving"/)
      const served = yield* ask(origin, "/quick")
      assert.match(served, /^HTTP\/1\.1 200 [\s\S]*Connection: close/i)
      yield* eventually(ask(origin, "/quick"), refused)
      assert.isAtLeast(performance.now() - told, 4900)
      yield* Fiber.join(stopping)
      // Not the whole grace of ten minutes.
      assert.isBelow(performance.now() - told, 120_000)
    })
  )

  it.live("waits for nobody where nobody looks", () =>
    Effect.gen(function* () {
      const { origin, stop } = yield* running(600)
      yield* ask(origin, "/quick")
      const told = performance.now()
      yield* Fiber.join(yield* stop)
      assert.isBelow(performance.now() - told, 120_000)
      assert.match(yield* ask(origin, "/quick"), refused)
    })
  )

  it.live("serves what had connected before it closed, though the request comes after that", () =>
    Effect.gen(function* () {
      const { end, origin, stop } = yield* running(60)
      yield* end
      const silent = yield* sentSoFar(origin, "POST", "/write", 0)
      const half = yield* sentSoFar(origin, "POST", "/write", 30)
      yield* eventually(ask(origin, "/quick"), /200/)
      const stopping = yield* stop
      yield* eventually(ask(origin, "/quick"), refused)
      for (const early of [silent, half]) {
        assert.match(yield* early.finish, /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*"done":true/i)
      }
      yield* Fiber.join(stopping)
    })
  )

  it.live("finishes what was begun, and asks who sends a request much later to come back", () =>
    Effect.gen(function* () {
      const { begun, end, origin, stop } = yield* running(60)
      const read = yield* Effect.forkChild(ask(origin, "/read"))
      yield* Deferred.await(begun.read)
      const silent = yield* sentSoFar(origin, "POST", "/write", 0)
      const late = yield* sentSoFar(origin, "POST", "/write", 30)
      yield* eventually(ask(origin, "/quick"), /200/)
      const stopping = yield* stop
      // It is closed when the time is over in which what had connected is served.
      assert.strictEqual(yield* silent.closed, "")
      const answer = yield* late.finish
      assert.match(answer, /^HTTP\/1\.1 503 /)
      assert.match(answer, /connection: close/i)
      assert.match(answer, /retry-after: 2/i)
      assert.include(answer, '"gateway.unavailable"')
      yield* end
      assert.match(yield* Fiber.join(read), /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*"done":true/i)
      yield* Fiber.join(stopping)
    })
  )

  it.live("answers what it could not finish in its grace, leaves it behind, and ends", () =>
    Effect.gen(function* () {
      const { begun, origin, stop } = yield* running(1)
      const read = yield* Effect.forkChild(exchange(origin, [request("GET", "/read")]))
      const write = yield* Effect.forkChild(exchange(origin, [request("POST", "/write")]))
      yield* Deferred.await(begun.read)
      yield* Deferred.await(begun.write)
      const stopping = yield* stop
      assert.match(yield* Fiber.join(read), /^HTTP\/1\.1 503 [\s\S]*"gateway\.unavailable"/)
      const unknown = yield* Fiber.join(write)
      assert.match(unknown, /^HTTP\/1\.1 504 [\s\S]*"tasker\.outcome_unknown"/)
      assert.match(unknown, /x-request-id: [0-9a-f-]{36}/i)
      yield* Fiber.join(stopping)
    })
  )
})
