import { createServer, request, type Server } from "node:http"
import { Effect } from "effect"
import type { ProxyReply } from "./proxy-replies.ts"

/** A proxy before Tasker that passes everything on, and answers in Tasker's place if a test says so. */
export interface AnsweringProxy {
  readonly url: string
  /** The server that stands behind it. */
  target: string
  /** Answers the next write, once Tasker has executed it, with this instead of Tasker's response. */
  next: { readonly status: number; readonly reply: ProxyReply } | undefined
  /** True if look-ups by `external_id` are answered with 500, as Plane answers them of a doubled one. */
  poisoned: boolean
}

export const answeringProxy = Effect.acquireRelease(
  Effect.callback<{ readonly proxy: AnsweringProxy; readonly server: Server }>((resume) => {
    const server = createServer((incoming, outgoing) => {
      if (proxy.poisoned && incoming.url?.includes("external_id=") === true) {
        outgoing.writeHead(500, { "content-type": "application/json" })
        outgoing.end('{"error":"Something went wrong please try again later"}')
        return
      }
      const isWrite = incoming.method !== "GET" && incoming.url?.endsWith("/projects/resolve") !== true
      const answer = isWrite ? proxy.next : undefined
      if (answer !== undefined) proxy.next = undefined
      const { headers, method } = incoming
      const passed = request(new URL(incoming.url ?? "/", proxy.target), { headers, method }, (response) => {
        if (answer === undefined) {
          outgoing.writeHead(response.statusCode ?? 502, response.headers)
          response.pipe(outgoing)
          return
        }
        response.resume().on("end", () => {
          outgoing.writeHead(answer.status, { "content-type": answer.reply.type })
          outgoing.end(answer.reply.body)
        })
      })
      passed.on("error", () => outgoing.destroy())
      incoming.pipe(passed)
    })
    const proxy = { url: "", target: "", next: undefined as AnsweringProxy["next"], poisoned: false }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      proxy.url = `http://127.0.0.1:${port}`
      resume(Effect.succeed({ proxy, server }))
    })
  }),
  ({ server }) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
).pipe(Effect.map(({ proxy }): AnsweringProxy => proxy))
