import { connect, createServer, type Socket } from "node:net"
import { linkDelay } from "./HoldUps.ts"
import type { Random } from "./Random.ts"

export type LinkFault = "cut" | "delay" | "half_close" | "swallow"

/** What befalls the exchanges that begin while it lasts. */
export interface Weather {
  readonly fault: LinkFault
  /** 0–1, of one exchange. */
  readonly chance: number
}

/**
 * A TCP proxy on 127.0.0.1 that knows no protocol. An exchange is what a client sends until it hears
 * something back; each is struck or spared by a draw:
 *
 * - `cut`: both sockets are destroyed, before the request is passed on or as soon as the reply comes;
 * - `delay`: the request or the reply is held up for 0.1–0.9 s; a held request goes on its way even if
 *   the client has left by then;
 * - `half_close`: after the request was passed on, one side is told that nothing more will come;
 * - `swallow`: the request is passed on, and nothing that comes back on this connection ever is.
 *
 * Nothing is ever altered or reordered within a connection. It has no back-pressure: messages are small.
 */
export interface TcpProxy {
  readonly port: number
  readonly weather: (weather: Weather | undefined) => void
  /** Breaks every connection there is. */
  readonly cutAll: () => void
  readonly close: () => Promise<void>
}

/** Hears what the two sides of one connection say, not what becomes of it. */
export interface Listener {
  readonly asked: (chunk: Buffer) => void
  /** `passed`: the side that asked is given it. */
  readonly answered: (chunk: Buffer, passed: boolean) => void
}

export interface TcpProxyOptions {
  readonly target: { readonly host: string; readonly port: number }
  readonly random: Random
  readonly struck?: (fault: LinkFault) => void
  /** Told what is said on each connection. */
  readonly listener?: () => Listener
}

export const tcpProxy = ({ target, random, struck, listener }: TcpProxyOptions): Promise<TcpProxy> => {
  const sockets = new Set<Socket>()
  let weather: Weather | undefined

  const draw = (): LinkFault | undefined => {
    if (weather === undefined || !random.chance(weather.chance)) return undefined
    struck?.(weather.fault)
    return weather.fault
  }

  const join = (client: Socket) => {
    const server = connect({ ...target, allowHalfOpen: true })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("error", () => undefined)
      socket.on("close", () => sockets.delete(socket))
    }
    const there = directed(server)
    const back = directed(client)
    const destroy = () => {
      client.destroy()
      server.destroy()
    }
    const heard = listener?.()
    let waiting = false
    let swallowing = false
    let cutOnReply = false

    client.on("data", (chunk: Buffer) => {
      heard?.asked(chunk)
      const begins = !waiting
      waiting = true
      if (!begins) return there.write(chunk)
      switch (draw()) {
        case "cut":
          if (random.chance(0.5)) return destroy()
          cutOnReply = true
          break
        case "delay":
          ;(random.chance(0.5) ? there : back).hold(random.between(linkDelay.least, linkDelay.most))
          break
        case "swallow":
          swallowing = true
          break
        case "half_close":
          there.write(chunk)
          if (random.chance(0.5)) {
            there.end()
          } else {
            swallowing = true
            back.end()
          }
          return
      }
      there.write(chunk)
    })
    server.on("data", (chunk: Buffer) => {
      waiting = false
      heard?.answered(chunk, !cutOnReply && !swallowing && !client.destroyed)
      if (cutOnReply) return destroy()
      if (!swallowing) back.write(chunk)
    })
    client.on("end", there.end)
    server.on("end", () => (swallowing ? undefined : back.end()))
    client.on("close", there.leave)
    server.on("close", () => (swallowing ? undefined : back.leave()))
  }

  const proxy = createServer({ allowHalfOpen: true }, join)
  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return new Promise((listening, failed) => {
    proxy.once("error", failed)
    proxy.listen(0, "127.0.0.1", () => {
      const address = proxy.address()
      listening({
        port: typeof address === "object" && address !== null ? address.port : 0,
        weather: (next) => {
          weather = next
        },
        cutAll,
        close: () =>
          new Promise((closed) => {
            proxy.close(() => closed())
            cutAll()
          })
      })
    })
  })
}

/** One direction of a connection: what is written to `to`, in order, through whatever holds it up. */
const directed = (to: Socket) => {
  let waiting: Array<() => void> | undefined
  const inOrder = (step: () => void) => (waiting === undefined ? step() : waiting.push(step))
  return {
    write: (chunk: Buffer) => void inOrder(() => to.destroyed || to.writableEnded || to.write(chunk)),
    end: () => void inOrder(() => to.end()),
    /** The other side is gone: what was held still arrives. */
    leave: () => void inOrder(() => to.destroySoon()),
    hold: (milliseconds: number) => {
      if (waiting !== undefined) return
      waiting = []
      setTimeout(() => {
        const steps = waiting ?? []
        waiting = undefined
        for (const step of steps) step()
      }, milliseconds)
    }
  }
}
