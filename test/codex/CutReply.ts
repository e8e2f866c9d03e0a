import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"
import { joined, through } from "../support/sockets.ts"

/** A connection between Codex and the gateway that breaks at the worst moment: when all is done, before it is told. */
export interface CutReply {
  /** Where it is reached, in place of the gateway. Without a slash at the end. */
  readonly url: string
  /** The next reply from now on is never passed on: its connection breaks instead. */
  readonly cutNext: Effect.Effect<void>
  /** How many replies were cut. */
  readonly cuts: () => number
}

export const cutReply = (gateway: string) =>
  Effect.acquireRelease(
    Effect.callback<CutReply & { readonly close: Effect.Effect<void> }>((resume) => {
      const { hostname, port } = new URL(gateway)
      const open = new Set<Socket>()
      let armed = false
      let cuts = 0
      const server = createServer((client) => {
        const upstream = connect({ host: hostname, port: Number(port) })
        joined(client, upstream, open)
        client.on("data", (chunk) => upstream.write(chunk))
        upstream.on("data", (chunk) => {
          if (!armed) return client.write(chunk)
          armed = false
          cuts += 1
          return client.destroy()
        })
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: through(server, gateway).replace(/\/$/, ""),
            cutNext: Effect.sync(() => {
              armed = true
            }),
            cuts: () => cuts,
            close: Effect.callback<void>((closed) => {
              server.close(() => closed(Effect.void))
              for (const socket of open) socket.destroy()
            })
          })
        )
      )
    }),
    ({ close }) => close
  ).pipe(Effect.map((proxy): CutReply => proxy))
