import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, type Scope } from "effect"
import type { Exchange, Moment, Trace, Watch } from "./Watch.ts"

/**
 * A way to an HTTP server that takes each request whole, then passes it on, and the same with its reply,
 * so that a call can be stopped at each moment of the exchange. A request is of a call if it carries the
 * call's request id, or no request id and the call's workspace in its path; all others pass.
 */
export interface HttpTap {
  readonly url: string
  /** Requests passed on whose reply has not come yet. */
  readonly underWay: () => number
}

export const httpTap = (
  target: () => string,
  watch: Watch,
  named: (trace: Trace, request: IncomingMessage) => Exchange
): Effect.Effect<HttpTap, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<HttpTap & { readonly close: Effect.Effect<void> }>((resume) => {
      let underWay = 0

      const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
        const body = await wholeOf(incoming)
        const requestId = incoming.headers["x-request-id"]
        const trace = watch.ownerOfRequest(
          typeof requestId === "string" ? requestId : undefined,
          incoming.url ?? ""
        )
        // Whoever asks for a call that was stopped waits until the gateway is dead.
        if (trace?.stopped() === true) return
        const exchange = trace === undefined ? undefined : named(trace, incoming)
        const reached = (moment: Moment) =>
          trace !== undefined && exchange !== undefined && trace.reached(exchange, moment)
        if (reached("asked")) return trace?.stand()
        underWay += 1
        const reply = await ask(target(), incoming, body).finally(() => {
          underWay -= 1
        })
        if (trace?.stopped() === true) return
        if (reached("carried out")) return trace?.stand()
        const last = reached("answered")
        outgoing.writeHead(reply.status, reply.headers)
        outgoing.end(reply.body, () => {
          if (last) trace?.stand()
        })
      }

      const server = createServer((incoming, outgoing) => {
        // Whoever is asked hung up: so is whoever asks.
        pass(incoming, outgoing).catch(() => incoming.socket.destroy())
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${port}`,
            underWay: () => underWay,
            close: Effect.callback<void>((done) => {
              server.close(() => done(Effect.void))
              server.closeAllConnections()
            })
          })
        )
      })
    }),
    ({ close }) => close
  )

interface Reply {
  readonly status: number
  readonly headers: Record<string, string | Array<string>>
  readonly body: Buffer
}

const wholeOf = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Of one connection, and not of what goes over it (RFC 9110, section 7.6.1). */
const hopByHop = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"])

const passedOn = (headers: IncomingMessage["headers"]): Record<string, string | Array<string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || hopByHop.has(name) ? [] : [[name, value]]
    )
  )

const ask = (origin: string, incoming: IncomingMessage, body: Buffer): Promise<Reply> =>
  new Promise((done, failed) => {
    const outgoing = request(`${origin}${incoming.url}`, {
      method: incoming.method ?? "GET",
      agent: false,
      headers: { ...passedOn(incoming.headers), "content-length": String(body.length) }
    })
    outgoing.on("error", failed)
    outgoing.on("response", (response) => {
      wholeOf(response).then((text) => {
        const headers = { ...passedOn(response.headers), "content-length": String(text.length) }
        done({ status: response.statusCode ?? 0, headers, body: text })
      }, failed)
    })
    outgoing.end(body)
  })
