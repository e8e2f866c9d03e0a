import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { joined, through } from "./sockets.ts"

/**
 * A way to a server that can be shut: `shut` breaks what is open and refuses anew, `mute` lets nothing through
 * any more, `turn` leads to another server from then on.
 */
export interface Gate {
  readonly url: string
  readonly shut: Effect.Effect<void>
  readonly mute: Effect.Effect<void>
  readonly open: Effect.Effect<void>
  readonly turn: (target: string) => Effect.Effect<void>
}

/** A gate before the server of a URL, until the scope closes. */
export const gateTo = (target: string): Effect.Effect<Gate, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Gate & { readonly close: Effect.Effect<void> }>((resume) => {
      let upstream = new URL(target)
      const sockets = new Set<Socket>()
      let state: "open" | "shut" | "mute" = "open"
      const breakAll = () => {
        for (const socket of sockets) socket.destroy()
      }
      const server = createServer((client) => {
        if (state === "shut") return void client.destroy()
        const backend = connect(Number(upstream.port), upstream.hostname)
        for (const [socket, other] of [
          [client, backend],
          [backend, client]
        ] as const) {
          socket.on("data", (chunk) => {
            if (state === "open") other.write(chunk)
          })
        }
        joined(client, backend, sockets)
      })
      const become = (next: typeof state) =>
        Effect.sync(() => {
          if (next === "shut" || state === "mute") breakAll()
          state = next
        })
      server.listen(0, "127.0.0.1", () => {
        resume(
          Effect.succeed({
            url: through(server, target),
            shut: become("shut"),
            mute: become("mute"),
            open: become("open"),
            turn: (next) =>
              Effect.sync(() => {
                upstream = new URL(next)
                breakAll()
              }),
            close: Effect.callback<void>((done) => {
              breakAll()
              server.close(() => done(Effect.void))
            })
          })
        )
      })
    }),
    ({ close }) => close
  )
