import { connect } from "node:net"
import { Effect } from "effect"

/** Sends bytes as they are to a server and reads until it hangs up, or until `until` matches what came. */
export const exchange = (
  origin: string,
  sent: ReadonlyArray<string | Buffer>,
  until?: RegExp
): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const { hostname, port } = new URL(origin)
    let received = ""
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      for (const part of sent) socket.write(part)
    })
    const settle = () => {
      socket.destroy()
      resume(Effect.succeed(received))
    }
    socket.on("data", (chunk) => {
      received += chunk.toString()
      if (until?.test(received) === true) settle()
    })
    socket.on("error", settle)
    socket.on("close", settle)
    return Effect.sync(() => socket.destroy())
  })
