import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** The connections of a server: how many there may be, and how clients are made to let go of them. */
export interface Connections {
  /** From now on every reply says `Connection: close`. Nothing is closed, and new ones are taken. */
  readonly release: () => void
  /**
   * Takes no new ones, and closes those that have had a reply and on which nothing is under way. Those that have
   * sent nothing yet are kept: a proxy opens one for the request that it is about to send. `closed` is called once
   * no new ones are taken, `done` once the last is closed.
   */
  readonly close: (on: { readonly closed: () => void; readonly done: () => void }) => void
  /** Closes those that have sent nothing yet, once all that has arrived is read. */
  readonly closeSilent: () => void
  /** Has a reply written, by `answer`, to every request that has none yet, and cuts what else there is. */
  readonly abandon: (answer: (request: IncomingMessage, response: ServerResponse) => void) => void
}

export interface Bounds {
  /**
   * The most there may be at a time. Where one more comes, the one that has been quiet for longest makes
   * room; where none is quiet, the one whose request has been arriving for longest; else the newcomer. So
   * neither holding connections open nor sending requests by halves keeps anybody else out.
   */
  readonly most: number
  /** How long a client may take over reading a reply that is written whole, in milliseconds. */
  readonly unread: number
}

export const track = (server: Server, { most, unread }: Bounds): Connections => {
  /** Those without a request under way, by how long they have been so: the longest first. */
  const quiet = new Set<Socket>()
  const active = new Map<ServerResponse, IncomingMessage>()
  /** How many requests of a connection are under way: a client may send several without waiting. */
  const underWay = new Map<Socket, number>()
  let open = 0
  let releasing = false
  let closing = false

  server.on("connection", (socket) => {
    open += 1
    quiet.add(socket)
    socket.once("close", () => {
      open -= 1
      quiet.delete(socket)
      underWay.delete(socket)
    })
    if (open <= most) return
    const [longest = socket] = quiet
    const victim = longest === socket ? (halfSent() ?? socket) : longest
    quiet.delete(victim)
    victim.destroy()
  })

  /** Whose request has been on its way for longest without being here whole. */
  const halfSent = (): Socket | undefined => {
    for (const request of active.values()) {
      if (!request.complete && !request.socket.destroyed) return request.socket
    }
    return undefined
  }

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    quiet.delete(socket)
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1)
    active.set(response, request)
    if (releasing) response.shouldKeepAlive = false
    // Node puts its own time limit for an idle connection in this one's place when the reply has left.
    response.once("prefinish", () => socket.setTimeout(unread))
    response.once("close", () => {
      active.delete(response)
      const left = (underWay.get(socket) ?? 1) - 1
      if (left > 0) return void underWay.set(socket, left)
      underWay.delete(socket)
      if (socket.destroyed) return
      quiet.add(socket)
      // Its reply may have promised to keep the connection before the server began to close.
      if (closing) server.closeIdleConnections()
    })
  }
  server.on("request", onRequest)
  // Effect's server listens for these, so that Node does not raise them as requests.
  server.on("checkContinue", onRequest)

  return {
    release: () => {
      releasing = true
      for (const response of active.keys()) {
        if (!response.headersSent) response.shouldKeepAlive = false
      }
    },
    close: ({ closed, done }) => {
      whenCaughtUp(() => {
        closing = true
        server.close(() => done())
        // Those on which nothing was ever sent are not idle to Node.
        server.closeIdleConnections()
        closed()
      })
    },
    closeSilent: () => {
      whenCaughtUp(() => {
        for (const socket of quiet) if (socket.bytesRead === 0) socket.destroy()
      })
    },
    abandon: (answer) => {
      const answered = new Set<Socket>()
      for (const [response, request] of active) {
        if (response.headersSent) continue
        response.shouldKeepAlive = false
        answered.add(request.socket)
        answer(request, response)
      }
      for (const socket of [...quiet, ...underWay.keys()]) if (!answered.has(socket)) socket.destroy()
    }
  }
}

/** A look at the kernel's queues that is shorter, in milliseconds, found nothing in them. */
const shortLook = 0.2
/** How long such a look is waited for, in milliseconds. */
const longestWait = 2000

/**
 * Calls `then` once the event loop has taken over every connection and read all bytes that the kernel had before.
 * Closing a listener resets the connections that arrived since, so it waits for a moment in which the kernel has
 * nothing more: few connections arrive in the 0.2 ms after it. A timer comes before each look, because a process that
 * has slept is scheduled at once, also on a busy machine.
 */
const whenCaughtUp = (then: () => void): void => {
  const until = performance.now() + longestWait
  const look = (): void => {
    const before = performance.now()
    // Polled for connections and bytes in between.
    setImmediate(() => {
      const now = performance.now()
      if (now - before < shortLook || now > until) then()
      else setTimeout(look, 1)
    })
  }
  setTimeout(look, 1)
}
