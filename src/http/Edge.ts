import { Cause, Context, Effect, References } from "effect"
import { isHttpServerError } from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Response from "effect/http/HttpServerResponse"
import { RequestRefused } from "../domain/Failure.ts"
import { CurrentRequest, type RequestFacts } from "../services/CurrentRequest.ts"
import * as AccessLog from "./AccessLog.ts"
import type { Paths } from "./Methods.ts"
import { internal, isFailure, problem } from "./Problem.ts"
import * as RequestId from "./RequestId.ts"

/**
 * What every request passes, whatever its route: it gets its id and its line in the log, and what
 * failed within becomes a problem document. A defect is logged with its cause and shown without it.
 */
export const edge =
  (paths: Paths) =>
  <E, R>(
    routes: Effect.Effect<HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse, never, R | HttpServerRequest> =>
    Effect.contextWith((outer: Context.Context<R | HttpServerRequest>) => {
      const request = Context.get(outer, HttpServerRequest)
      const id = RequestId.requestId(request)
      const facts: RequestFacts = { agentId: undefined }
      const path = paths.pathOf(request.url)
      AccessLog.watch(request, path, id, facts, outer)
      const context = outer.pipe(
        Context.add(CurrentRequest, facts),
        Context.add(References.CurrentLogAnnotations, { request_id: id })
      )
      return Effect.suspend((): Effect.Effect<HttpServerResponse, E | RequestRefused, R> => {
        if (request.headers.host === undefined) return Effect.fail(withoutHost())
        return path === undefined ? Effect.fail(nothingHere()) : routes
      }).pipe(
        Effect.catchCause((cause) => settle(cause, request, id, paths)),
        Effect.map(Response.setHeaders({ ...everywhere, [RequestId.header]: id })),
        Effect.provideContext(context)
      )
    })

/** Every answer depends on who asks and when, and some hold a token: none is to be kept or guessed at. */
const everywhere = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

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
