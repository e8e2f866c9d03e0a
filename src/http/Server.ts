import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Duration, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { Settings } from "../Config.ts"
import { type Failure, RequestRefused } from "../domain/Failure.ts"
import * as ForwardingPeers from "../edge/ForwardingPeers.ts"
import { Addresses } from "./Addresses.ts"
import { clientAddress } from "./ClientAddress.ts"
import { track } from "./Connections.ts"
import * as Drain from "./Drain.ts"
import { edge, everywhereAt } from "./Edge.ts"
import { Hosts } from "./Hosts.ts"
import * as Methods from "./Methods.ts"
import { problem } from "./Problem.ts"
import * as RequestId from "./RequestId.ts"
import * as Strangers from "./Strangers.ts"

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
 * What the connections may take together. Each holds its headers, a body of 256 KB while it arrives and a
 * reply while it leaves; a quiet one holds some 10 KB.
 */
const bounds = { most: 5000, unread: 30_000 } as const

/** What fibers get to come to an end once nobody waits for them any more. */
const lastWord = Duration.seconds(1)

/**
 * Serves routes on `HOST`:`PORT` until its scope closes, which drains it first (see `Drain`): that takes as
 * long as the calls under way do, within `SHUTDOWN_GRACE_SECONDS` and a second.
 */
export const serve = <E, R>(routes: Layer.Layer<never, E, R>) =>
  Layer.effect(
    Addresses,
    Effect.gen(function* () {
      const settings = yield* Settings
      const node = createServer(limits)
      node.maxHeadersCount = 100
      node.maxRequestsPerSocket = 0
      const everywhere = everywhereAt(settings.publicUrl)
      const answers = unroutedAnswers(everywhere)
      node.on("clientError", answers.clientError)
      const connections = track(node, bounds)
      const { drain, run } = Drain.make(connections, settings.shutdownGrace, answers.unfinished)
      const forwardingPeers = ForwardingPeers.make(settings.trustedProxies)

      const server = yield* NodeHttpServer.make(() => node, {
        host: settings.host,
        port: settings.port,
        disablePreemptiveShutdown: true
      })

      const addresses = addressesOf(node, settings.host, settings.publicUrl)
      const { paths, router } = yield* Methods.make
      yield* Layer.build(
        routes.pipe(
          Layer.provide([
            Layer.succeed(HttpRouter.HttpRouter, router),
            Hosts.layer,
            NodeHttpServer.layerHttpServices
          ]),
          Layer.provide([
            Layer.succeed(Addresses, addresses),
            Layer.succeed(Drain.Drain, drain),
            Layer.succeed(ForwardingPeers.ForwardingPeers, forwardingPeers)
          ])
        )
      )
      const serving = yield* Scope.make()
      const surroundings = {
        everywhere,
        forwardingPeers,
        paths,
        drain,
        clientAddress: clientAddress(settings.trustedProxies),
        strangers: Strangers.make()
      }
      yield* Scope.provide(server.serve(edge(surroundings)(router.asHttpEffect())), serving)
      yield* Effect.addFinalizer(() => Effect.andThen(run, leave(node, serving)))
      yield* Effect.logInfo(`Listening on ${addresses.listenOrigin}`)
      return addresses
    })
  )

/**
 * Interrupts what still runs and closes what is still open. A write's fiber can't be interrupted, and one
 * that has outlasted the grace is not waited for: it ends with the process.
 */
const leave = Effect.fnUntraced(function* (node: Server, serving: Scope.Closeable) {
  const ending = yield* Effect.forkDetach(Scope.close(serving, Exit.void))
  yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(ending)), lastWord)
  node.closeAllConnections()
})

const addressesOf = (node: Server, host: string, publicUrl: Option.Option<string>): Addresses["Service"] => {
  const { port } = node.address() as AddressInfo
  const listenOrigin = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  return { listenOrigin, publicUrl: Option.getOrElse(publicUrl, () => listenOrigin) }
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

/** Makes the replies to requests that no route sees, which carry the headers of every reply. */
const unroutedAnswers = (everywhere: Readonly<Record<string, string>>) => {
  /** A failure as Node sends it. */
  const written = (failure: Failure, id: string) => {
    const { body, headers, status } = problem(failure, id)
    const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
    return {
      status,
      text,
      headers: {
        ...everywhere,
        ...headers,
        [RequestId.header]: id,
        "content-length": String(Buffer.byteLength(text))
      }
    }
  }

  /** Answers what Node could not read as HTTP, where there is still someone to answer, and hangs up. */
  const clientError = (error: Error & { readonly code?: string }, socket: Duplex): void => {
    // A reply that is under way must not be written into.
    const busy = "_httpMessage" in socket && socket._httpMessage !== null && socket._httpMessage !== undefined
    if (error.code === "ECONNRESET" || !socket.writable || busy) {
      socket.destroy()
      return
    }
    const id = RequestId.choose(undefined)
    const { headers, status, text } = written(refusals[error.code ?? ""] ?? unreadable, id)
    socket.end(
      `HTTP/1.1 ${status} ${status === 413 ? "Content Too Large" : "Bad Request"}\r\n` +
        Object.entries(headers)
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join("") +
        `Connection: close\r\n\r\n${text}`
    )
  }

  /** Answers a request that Effect's server will not come to answer any more. */
  const unfinished = (failure: Failure, request: IncomingMessage, response: ServerResponse): void => {
    const id = RequestId.requestId({ source: request, headers: request.headers })
    const { headers, status, text } = written(failure, id)
    response.writeHead(status, headers).end(text)
  }

  return { clientError, unfinished }
}
