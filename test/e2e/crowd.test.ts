import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { eventually } from "../support/data-dirs.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { launch, script } from "../support/programs.ts"
import { until } from "../support/scripted-tasker.ts"
import { newAgent, Served, send } from "../support/served.ts"

const idle = 2000
const slow = 500

/** Sends what it is given at once, and then one more byte of `rest` each quarter of a second. */
const drip = (socket: Socket, at: string, rest: string): void => {
  socket.write(at)
  let sent = 0
  const timer = setInterval(() => {
    if (socket.writable && sent < rest.length) socket.write(rest[sent++] ?? "")
  }, 250)
  socket.once("close", () => clearInterval(timer))
}

/** Someone who sends a head, or a body under a token that looks right, as slowly as can be. */
const dawdle = (socket: Socket, which: number): void => {
  if (which % 2 === 0) {
    drip(socket, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", `X-Slow: ${"a".repeat(9000)}`)
    return
  }
  const token = Redacted.value(fromBytes(randomBytes(32)))
  drip(
    socket,
    `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
      "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n",
    `{"jsonrpc":"2.0","id":1,"x":"${"a".repeat(8000)}`
  )
}

/** In megabytes, of a process. */
const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

describe("a crowd of 2,000 idle and 500 slow connections", () => {
  it.live("leaves other callers served, takes little memory, and the slow ones are hung up on", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* freshDatabase
      const internalToken = secret()
      const program = yield* launch(script("src/main.ts"), {
        env: {
          PORT: "0",
          LOG_LEVEL: "info",
          DATABASE_URL: databaseUrl,
          NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken
        }
      })
      const url = yield* program.until(/Listening on (http:\S+)/, 60)
      yield* Effect.gen(function* () {
        const { token } = yield* newAgent([])
        const session = Effect.map(send("/api/v1/agent-session", { token }), ({ status }) => status)
        for (let i = 0; i < 200; i++) assert.strictEqual(yield* session, 200)
        const before = resident(program.pid)

        const sockets: Array<Socket> = []
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const socket of sockets) socket.destroy()
          })
        )
        let open = 0
        let answered = 0
        for (let i = 0; i < idle + slow; i++) {
          const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
            open += 1
            if (i >= idle) return dawdle(socket, i)
            // Half of the idle ones have been of use, half never said a word.
            if (i % 2 === 0) return
            socket.once("data", () => {
              answered += 1
            })
            socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
          })
          socket.on("error", () => {})
          socket.on("data", () => {})
          sockets.push(socket)
          if (i % 50 === 49) yield* until(() => open === i + 1)
        }
        yield* until(() => answered === idle / 2)

        const closed = (among: ReadonlyArray<Socket>) => among.filter((socket) => socket.closed).length
        assert.strictEqual(closed(sockets), 0)
        const durations: Array<number> = []
        for (let i = 0; i < 100; i++) {
          const started = performance.now()
          assert.strictEqual(yield* session, 200)
          durations.push(performance.now() - started)
        }
        durations.sort((a, b) => a - b)
        assert.isBelow(durations[50] ?? Number.POSITIVE_INFINITY, 250)
        assert.isBelow(durations[98] ?? Number.POSITIVE_INFINITY, 2000)
        assert.isBelow(resident(program.pid) - before, 150)

        // Bodies get ten seconds, and heads ten until the next look at them, which comes every five. What
        // was of use before may stay for a minute.
        const useful = sockets.filter((_, i) => i < idle && i % 2 === 1)
        const useless = sockets.filter((_, i) => i >= idle || i % 2 === 0)
        yield* eventually(
          Effect.suspend(() =>
            closed(useless) === useless.length ? Effect.void : Effect.fail(closed(useless))
          )
        )
        assert.strictEqual(closed(useful), 0)
        assert.strictEqual(yield* session, 200)
      }).pipe(Effect.provideService(Served, Served.of({ url, internalToken, databaseUrl })))
    })
  )
})
