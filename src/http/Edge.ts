import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Context, Effect, Exit, Option, References } from "effect"
import { isHttpServerError } from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Response from "effect/http/HttpServerResponse"
import { type Failure, RequestRefused } from "../domain/Failure.ts"
import type { ForwardingPeers } from "../edge/ForwardingPeers.ts"
import { CurrentRequest, type RequestFacts } from "../services/CurrentRequest.ts"
import * as AccessLog from "./AccessLog.ts"
import { type ClientAddress, CurrentClient } from "./ClientAddress.ts"
import { type Drain, stopping } from "./Drain.ts"
import type { Paths } from "./Methods.ts"
import { internal, isFailure, problem } from "./Problem.ts"
import * as RequestId from "./RequestId.ts"
import type { Admitted, End, Strangers } from "./Strangers.ts"

/** What the edge knows of the server that it stands in. */
export interface Surroundings {
  /** Sent with every response. */
  readonly everywhere: Readonly<Record<string, string>>
  readonly forwardingPeers: ForwardingPeers["Service"]
  readonly paths: Paths
  readonly clientAddress: ClientAddress
  readonly strangers: Strangers
  readonly drain: Drain["Service"]
}

/**
 * What every request passes, whatever its route: it gets its id and its line in the log, is refused where
 * its address has had its share without saying who it is, and what failed within becomes a problem
 * document. A defect is logged with its cause and shown without it.
 */
export const edge =
  ({ clientAddress, drain, everywhere, forwardingPeers, paths, strangers }: Surroundings) =>
  <E, R>(
    routes: Effect.Effect<HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse, never, R | HttpServerRequest> =>
    Effect.contextWith((outer: Context.Context<R | HttpServerRequest>) => {
      const request = Context.get(outer, HttpServerRequest)
      const id = RequestId.requestId(request)
      const facts: RequestFacts = { agentId: undefined, operator: false, recognised: false, bodyBytes: 0 }
      const path = paths.pathOf(request.url)
      const forwarded = request.headers["x-forwarded-for"]
      const peer = clientAddress(peerOf(request), undefined)
      const asking = {
        client: clientAddress(peer, forwarded),
        credential: request.headers.authorization
      }
      AccessLog.watch(request, { path, requestId: id, client: asking.client, facts }, outer)
      const context = outer.pipe(
        Context.add(CurrentRequest, facts),
        Context.add(CurrentClient, asking.client),
        Context.add(References.CurrentLogAnnotations, { request_id: id })
      )
      // Whoever watches over the process is told how it is, however much is asked of it.
      const isLifeSign = path === "/healthz" || path === "/readyz"
      let admitted: Admitted | undefined
      const warning = forwarded === undefined ? undefined : forwardingPeers.seen(peer)
      return Effect.andThen(
        warning === undefined ? Effect.void : Effect.logWarning(warning),
        Effect.suspend((): Effect.Effect<HttpServerResponse, E | Failure, R> => {
          if (!isLifeSign) {
            if (drain.stage() === "refusing") return Effect.fail(stopping())
            const answer = strangers.admit(asking, performance.now())
            if (answer._tag !== "Admitted") return Effect.fail(answer)
            admitted = answer
            facts.recognised = !answer.charged
          }
          if (request.headers.host === undefined) return Effect.fail(withoutHost())
          return path === undefined ? Effect.fail(nothingHere()) : routes
        })
      ).pipe(
        Effect.catchCause((cause) => settle(cause, request, id, paths)),
        Effect.map((response) => Response.setHeaders(response, { ...everywhere, [RequestId.header]: id })),
        // Also where its client left: who asks and does not wait costs as much.
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const status = Exit.isSuccess(exit) ? exit.value.status : undefined
            if (admitted !== undefined)
              strangers.ended(asking, admitted, { end: endOf(status, facts), bodyBytes: facts.bodyBytes })
          })
        ),
        Effect.provideContext(context)
      )
    })

const peerOf = (request: HttpServerRequest): string | undefined =>
  NodeHttpServerRequest.toIncomingMessage(request).socket.remoteAddress

/** No status: nobody was there any more to be told one. */
const endOf = (status: number | undefined, facts: RequestFacts): End => {
  if (status === 401) return "refused"
  if (facts.agentId !== undefined || facts.operator) return "good"
  return status !== undefined && status >= 500 ? "undecided" : "open"
}

/**
 * The headers of every response. Each response depends on who asks and when, and some hold a token: none is to be
 * kept or guessed at. Where the public URL is https, browsers are told to use nothing else for a year (RFC 6797);
 * they take no notice of it over http.
 */
export const everywhereAt = (publicUrl: Option.Option<string>): Readonly<Record<string, string>> => ({
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  ...(Option.exists(publicUrl, (url) => url.startsWith("https:"))
    ? { "strict-transport-security": "max-age=31536000" }
    : {})
})

/** RFC 9112 section 3.2: a request without `Host` is answered 400. */
const withoutHost = () =>
  new RequestRefused({ reason: "malformed", message: "The request has no Host header." })

const settle = <E>(
  cause: Cause.Cause<E>,
  request: HttpServerRequest,
  id: string,
  paths: Paths
): Effect.Effect<HttpServerResponse> => {
  for (const reason of cause.reasons) {
    const error: unknown = Cause.isFailReason(reason)
      ? reason.error
      : Cause.isDieReason(reason)
        ? reason.defect
        : undefined
    if (isFailure(error)) return Effect.succeed(problem(error, id))
    if (isHttpServerError(error) && error.reason._tag === "RouteNotFound") {
      return Effect.succeed(problem(noSuchMethod(request, paths.allowed(request.url)), id))
    }
  }
  // The client has gone, or the server is closing: nobody is left to tell.
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  return Effect.as(Effect.logError("A request failed by a defect", cause), internal(id))
}

const nothingHere = () =>
  new RequestRefused({
    reason: "not_found",
    message: "There is nothing at this path. GET /docs lists all there is."
  })

const noSuchMethod = (request: HttpServerRequest, allow: ReadonlyArray<string>) =>
  new RequestRefused({
    reason: "method",
    message: `${request.method} is not a method of this path; ${allow.join(", ")} ${allow.length === 1 ? "is" : "are"}.`,
    details: { allow }
  })
