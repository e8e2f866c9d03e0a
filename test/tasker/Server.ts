import { timingSafeEqual } from "node:crypto"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Cause, Effect, Fiber, Predicate, Redacted } from "effect"
import { HttpIncomingMessage, HttpRouter, type HttpServerRequest, type HttpServerResponse } from "effect/http"
import { basePath, type Call, calls } from "./Api.ts"
import { Faults } from "./Faults.ts"
import { Journal } from "./Journal.ts"
import {
  type ErrorStyle,
  failed,
  noBearer,
  noSuchPath,
  notJson,
  Refusal,
  tooLarge,
  wrongBearer
} from "./Refusal.ts"
import { htmlNotFound, type Reply, respond, strike } from "./Strike.ts"
import type { Switches } from "./Switches.ts"

const reads: ReadonlySet<Call["op"]> = new Set(["resolve", "context", "list", "list_comments"])

const largestBody = ByteSize.mebibytes(16)

/** JSON where it is JSON, else text: the log of requests shows either. */
export const readBody = (request: HttpServerRequest.HttpServerRequest) =>
  request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, largestBody),
    Effect.map((text): { readonly value: unknown; readonly isJson: boolean } => {
      if (text === "") return { value: null, isJson: true }
      try {
        return { value: JSON.parse(text), isJson: true }
      } catch {
        return { value: text, isJson: false }
      }
    }),
    Effect.mapError(() => tooLarge)
  )

/** Refusals are answers; anything else is a fault of this Tasker: logged here, a bare 500 outside. */
export const settled = <R>(
  effect: Effect.Effect<Reply, unknown, R>,
  style: ErrorStyle
): Effect.Effect<Reply, never, R> =>
  Effect.catchCause(effect, (cause) => {
    const failure = Cause.squash(cause)
    if (failure instanceof Refusal) return Effect.succeed(respond(failure.answerIn(style)))
    return Cause.hasInterrupts(cause)
      ? Effect.interrupt
      : Effect.as(Effect.logError("A call failed", cause), respond(failed.answerIn(style)))
  })

const cut = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.andThen(
    Effect.sync(() => NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()),
    // The fiber of a request is interrupted once its socket has closed.
    Effect.never
  )

const textOf = (container: unknown, name: string) => {
  const value = Predicate.hasProperty(container, name) ? container[name] : undefined
  return typeof value === "string" ? value : undefined
}

const isBearer = (header: string | undefined, token: Buffer) => {
  const given = Buffer.from(header?.startsWith("Bearer ") ? header.slice("Bearer ".length) : "")
  return given.length === token.length && timingSafeEqual(given, token)
}

/** The internal API: every request is written down, checked for the bearer, perhaps struck, then carried out. */
export const apiRoutes = (accessToken: Redacted.Redacted) =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const journal = yield* Journal
      const faults = yield* Faults
      const scope = yield* Effect.scope
      const token = Buffer.from(Redacted.value(accessToken))

      const receive = (
        request: HttpServerRequest.HttpServerRequest,
        op: Call["op"] | null,
        body: unknown
      ): Effect.Effect<number> => {
        const { authorization: _, ...headers } = request.headers
        return journal.receive({ method: request.method, path: request.url, headers, body, op })
      }

      const answered = (n: number, reply: Reply) =>
        reply === "cut" ? Effect.void : journal.note(n, { status: reply.status })

      const exchange = Effect.fnUntraced(function* (
        call: Call,
        request: HttpServerRequest.HttpServerRequest,
        params: Readonly<Record<string, string | undefined>>,
        switches: Switches
      ) {
        const body =
          call.method === "GET"
            ? { value: null, isJson: true }
            : yield* Effect.tapError(readBody(request), () => receive(request, call.op, null))
        const n = yield* receive(request, call.op, body.value)
        const reply = yield* settled(
          Effect.gen(function* () {
            const { authorization } = request.headers
            if (authorization === undefined) return yield* noBearer
            if (!isBearer(authorization, token)) return yield* wrongBearer
            if (call.op === "list_comments" && switches.no_comments_listing) return htmlNotFound
            const query: Readonly<Record<string, string>> = Object.fromEntries(
              new URL(request.url, "http://tasker").searchParams
            )
            const externalId = query.external_id ?? textOf(body.value, "external_id")
            const fault = yield* faults.take(call.op, externalId)
            if (fault !== undefined) yield* journal.note(n, { fault: fault.fault })
            const incoming = {
              params,
              query,
              headers: request.headers,
              body: body.value,
              switches,
              fault: fault?.fault
            }
            const execute = body.isJson ? call.execute(incoming) : Effect.fail(notJson)
            const struck = {
              project: textOf(body.value, "project_id") ?? "",
              reads: reads.has(call.op),
              kind: call.op === "comment" ? ("Work item comment" as const) : ("Issue" as const),
              style: switches
            }
            return yield* strike(
              fault,
              struck,
              // A refusal is an answer like any other: it too can be spoilt.
              Effect.catchTag(execute, "Refusal", (refusal) => Effect.succeed(refusal.answerIn(switches)))
            )
          }),
          switches
        )
        yield* answered(n, reply)
        return reply
      })

      /**
       * On a fiber of its own: like most servers, Tasker carries a call to its end whether or not the
       * client is still there.
       */
      const handle = (call: Call) =>
        Effect.fnUntraced(function* (
          request: HttpServerRequest.HttpServerRequest
        ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, never, HttpRouter.RouteContext> {
          const params = yield* HttpRouter.params
          const switches = yield* faults.switches
          const fiber = yield* Effect.forkIn(
            settled(exchange(call, request, params, switches), switches),
            scope
          )
          const reply = yield* Fiber.join(fiber)
          return reply === "cut" ? yield* cut(request) : reply
        })

      const unknownPath = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
        const n = yield* receive(request, null, null)
        yield* journal.note(n, { status: 404 })
        return respond(noSuchPath.answerIn(yield* faults.switches))
      })

      for (const call of yield* calls) {
        yield* router.add(call.method, `${basePath}${call.path}`, handle(call))
      }
      yield* router.add("*", "*", unknownPath)
    })
  )
