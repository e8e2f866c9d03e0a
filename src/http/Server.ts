import { createServer, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Duration, Effect, Layer, Option } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { Settings } from "../Config.ts"
import { RequestRefused } from "../domain/Failure.ts"
import { Addresses } from "./Addresses.ts"
import { edge } from "./Edge.ts"
import { Hosts } from "./Hosts.ts"
import * as Methods from "./Methods.ts"
import { problem } from "./Problem.ts"
import * as RequestId from "./RequestId.ts"

/** How long calls under way may take once the server is told to stop. */
const grace = Duration.seconds(20)

/** Every limit is set here rather than left to Node's defaults, in milliseconds and bytes. */
const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  // Whole requests. A body's own deadline is shorter, so this only ends what is not being read.
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5000,
  keepAliveTimeout: 65_000,
  // Two Authorization headers are to be seen, not the first of them taken.
  joinDuplicateHeaders: true,
  // The edge says so in a problem document.
  requireHostHeader: false,
  // Nothing is upgraded to: a client that offers HTTP/2 or a web socket is answered in HTTP/1.1.
  shouldUpgradeCallback: () => false
} as const

/**
 * Serves routes on `HOST`:`PORT` until its scope closes; then stops accepting, lets calls under way
 * end for up to 20 seconds, and closes what is left.
 */
export const serve = <E, R>(routes: Layer.Layer<never, E, R>) =>
  Layer.effect(
    Addresses,
    Effect.gen(function* () {
      const settings = yield* Settings
      const node = createServer(limits)
      node.maxHeadersCount = 100
      node.maxRequestsPerSocket = 0
      node.on("clientError", answerClientError)
      const drain = drainer(node)

      const server = yield* NodeHttpServer.make(() => node, {
        host: settings.host,
        port: settings.port,
        gracefulShutdownTimeout: grace
      })
      // Finalizers run last to first: begin to drain, wait out the grace, then this, then wait for all to be closed.
      yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))

      const addresses = addressesOf(node, settings.host, settings.publicUrl)
      const { paths, router } = yield* Methods.make
      yield* Layer.build(
        routes.pipe(
          Layer.provide([
            Layer.succeed(HttpRouter.HttpRouter, router),
            Hosts.layer,
            NodeHttpServer.layerHttpServices
          ]),
          Layer.provide(Layer.succeed(Addresses, addresses))
        )
      )
      yield* server.serve(edge(paths)(router.asHttpEffect()))
      yield* Effect.addFinalizer(() => Effect.sync(drain))
      yield* Effect.logInfo(`Listening on ${addresses.listenOrigin}`)
      return addresses
    })
  )

const addressesOf = (node: Server, host: string, publicUrl: Option.Option<string>): Addresses["Service"] => {
  const { port } = node.address() as AddressInfo
  const listenOrigin = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  return { listenOrigin, publicUrl: Option.getOrElse(publicUrl, () => listenOrigin) }
}

/**
 * Sees to it that clients let go of their connections once the server closes: replies say
 * `Connection: close`, and connections on which nothing is under way are closed. Node does so only
 * for those that are idle at that very moment.
 */
const drainer = (node: Server): (() => void) => {
  const silent = new Set<Socket>()
  const active = new Set<ServerResponse>()
  let draining = false
  node.on("connection", (socket) => {
    silent.add(socket)
    socket.once("close", () => silent.delete(socket))
  })
  node.on("request", (request, response) => {
    silent.delete(request.socket)
    if (draining) response.shouldKeepAlive = false
    active.add(response)
    response.once("close", () => active.delete(response))
  })
  return () => {
    draining = true
    for (const response of active) {
      if (!response.headersSent) response.shouldKeepAlive = false
    }
    for (const socket of silent) socket.destroy()
    node.closeIdleConnections()
  }
}

const refusals: Readonly<Record<string, RequestRefused>> = {
  HPE_HEADER_OVERFLOW: new RequestRefused({
    reason: "too_large",
    message: `The headers are larger than ${limits.maxHeaderSize} bytes.`
  }),
  ERR_HTTP_REQUEST_TIMEOUT: new RequestRefused({
    reason: "malformed",
    message: "The request did not arrive in time."
  })
}

const unreadable = new RequestRefused({ reason: "malformed", message: "This is not an HTTP/1.1 request." })

/** Answers what Node could not read as HTTP, where there is still someone to answer, and hangs up. */
const answerClientError = (error: Error & { readonly code?: string }, socket: Duplex): void => {
  // A reply that is under way must not be written into.
  const busy = "_httpMessage" in socket && socket._httpMessage !== null && socket._httpMessage !== undefined
  if (error.code === "ECONNRESET" || !socket.writable || busy) {
    socket.destroy()
    return
  }
  const id = RequestId.choose(undefined)
  const { body, headers, status } = problem(refusals[error.code ?? ""] ?? unreadable, id)
  const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
  socket.end(
    `HTTP/1.1 ${status} ${status === 413 ? "Content Too Large" : "Bad Request"}\r\n` +
      `Content-Type: ${headers["content-type"]}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
      `${RequestId.header}: ${id}\r\nConnection: close\r\n\r\n${text}`
  )
}
