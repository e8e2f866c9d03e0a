import type { Server, Socket } from "node:net"

/** What the proxies of tests have in common: two sockets that end together, and where a proxy is reached. */

/** Sees to it that the end of either socket is the end of both; `open` holds those that are open. */
export const joined = (one: Socket, other: Socket, open: Set<Socket>): void => {
  const both = [one, other]
  for (const socket of both) {
    open.add(socket)
    socket.setNoDelay(true)
    socket.on("error", () => undefined)
    socket.on("close", () => {
      open.delete(socket)
      for (const end of both) end.destroy()
    })
  }
}

/** A URL with the address of a server that listens on this machine in place of its own. */
export const through = (server: Server, target: string): string => {
  const address = server.address()
  const url = new URL(target)
  url.hostname = "127.0.0.1"
  url.port = String(typeof address === "object" && address !== null ? address.port : 0)
  return url.href
}
