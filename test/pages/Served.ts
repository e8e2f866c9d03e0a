import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import type { Page } from "../../src/http/pages/models.ts"

/** What a form sent. */
export interface Posted {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly fields: URLSearchParams
}

export interface ServedPages {
  readonly origin: string
  /** What was posted, oldest first. */
  readonly posted: ReadonlyArray<Posted>
}

/** A program that listens on loopback, as the one that asked for a login does, and notes what it is asked. */
export const listenerOn = Effect.fnUntraced(function* (host: string) {
  const visited: Array<string> = []
  const server = createServer((request, response) => {
    visited.push(request.url ?? "")
    response.writeHead(200, { "content-type": "text/plain" }).end("Back in the program")
  })
  return { origin: yield* listen(server, host), visited: visited as ReadonlyArray<string> }
})

export const listener = listenerOn("127.0.0.1")

/**
 * Serves rendered pages with their own headers, each under its name, and notes what their forms send; a form
 * is answered as `answer` says: with a redirect to an address, or with a page.
 */
export const servePages = Effect.fnUntraced(function* (
  pages: () => Readonly<Record<string, Page>>,
  answer: (posted: Posted) => string | Page
) {
  const posted: Array<Posted> = []
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://pages").pathname
    const send = (page: Page) => response.writeHead(page.status, page.headers).end(page.html)
    if (request.method !== "POST") {
      const page = pages()[path.slice(1)]
      if (page === undefined) response.writeHead(404).end()
      else send(page)
      return
    }
    let body = ""
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk
    })
    request.on("end", () => {
      const sent = { path: request.url ?? "", headers: request.headers, fields: new URLSearchParams(body) }
      posted.push(sent)
      const to = answer(sent)
      if (typeof to === "string") response.writeHead(303, { location: to }).end()
      else send(to)
    })
  })
  return { origin: yield* listen(server, "127.0.0.1"), posted } satisfies ServedPages
})

const listen = (server: Server, host: string) =>
  Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      server.once("error", (error) => resume(Effect.die(error)))
      server.listen(0, host, () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed(`http://${host.includes(":") ? `[${host}]` : host}:${port}`))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
