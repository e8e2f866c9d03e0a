import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Effect, Fiber } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Answer } from "../tasker/Answer.ts"
import { readBody } from "../tasker/Server.ts"
import { type Reply, respond } from "../tasker/Strike.ts"
import { Access, type Seat } from "./Access.ts"
import { calls } from "./Api.ts"
import { Denial, detail, internal, noSuchPath, rule, tooLarge } from "./Denial.ts"
import { Faults, type Op } from "./Faults.ts"
import { type Entry, Journal } from "./Journal.ts"
import { Rates } from "./Rates.ts"
import { denied, type Match, match } from "./Routes.ts"
import { Behaviour, type Settings } from "./Settings.ts"
import { strike, throttled } from "./Strike.ts"

const largestBody = 5 * 1024 * 1024

type Request = HttpServerRequest.HttpServerRequest

/** Holds what is known of a request before its path is looked at. */
interface Received {
  readonly request: Request
  readonly query: Readonly<Record<string, string>>
  readonly body: { readonly value: unknown; readonly isJson: boolean }
  readonly settings: Settings
  readonly entry: Entry
}

const opOf = ({ route }: Match, method: string, query: Received["query"]): Op | undefined => {
  const op = Object.hasOwn(route.ops, method) ? route.ops[method] : undefined
  return op === "list" && query.external_id && query.external_source ? "lookup" : op
}

const externalIdIn = ({ body, query }: Received) => {
  const sent = body.value
  const inBody =
    typeof sent === "object" && sent !== null && "external_id" in sent ? sent.external_id : undefined
  return query.external_id ?? (typeof inBody === "string" ? inBody : undefined)
}

/** Reads the fields of a body, in the order of Plane's refusals: media type, JSON, dictionary. */
const fieldsOf = ({ body, request }: Received): Effect.Effect<Readonly<Record<string, unknown>>, Denial> => {
  const mediaType = request.headers["content-type"] ?? ""
  const { isJson, value } = body
  if (value === null) return Effect.succeed({})
  if (!mediaType.startsWith("application/json")) {
    return Effect.fail(detail(415, `Unsupported media type "${mediaType}" in request.`))
  }
  if (!isJson) return Effect.fail(detail(400, "JSON parse error - Expecting value"))
  if (typeof value === "object" && !Array.isArray(value)) return Effect.succeed({ ...value })
  const type = Array.isArray(value) ? "list" : typeof value === "string" ? "str" : typeof value
  return Effect.fail(rule(`Invalid data. Expected a dictionary, but got ${type}.`))
}

/** Adds Plane's headers to a response that is Plane's own. */
const withHeaders = ({ fault }: Entry, reply: Reply, headers: Readonly<Record<string, string>>): Reply =>
  reply === "cut" || fault === "proxied" || fault === "html" || fault === "rate_limit"
    ? reply
    : HttpServerResponse.setHeaders(reply, headers)

const writeOps: ReadonlySet<Op> = new Set(["create", "update", "delete", "comment"])

/** Serves `/api/v1`: every request is noted, checked, perhaps struck by a fault, and carried out to its end. */
export const apiRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const access = yield* Access
    const behaviour = yield* Behaviour
    const faults = yield* Faults
    const journal = yield* Journal
    const rates = yield* Rates
    const executes = yield* calls
    const scope = yield* Effect.scope

    /** Answers a done write with a 500, and everything else late, if the broker is out. */
    const throughBroker = ({ settings }: Received, op: Op, execute: Effect.Effect<Answer, unknown>) =>
      settings.broker_out
        ? Effect.flatMap(execute, (done) =>
            writeOps.has(op) && done.status < 300
              ? Effect.as(Effect.sleep(settings.broker_ms), internal)
              : Effect.as(Effect.sleep(settings.broker_ms / 2), done)
          )
        : execute

    const carryOut = (received: Received, op: Op, found: Match, userId: string, seat: Seat) =>
      Effect.gen(function* () {
        const { entry, query, request, settings } = received
        const fault = yield* faults.take(op, externalIdIn(received))
        entry.fault = fault?.fault ?? null
        const projectId = seat.project_id ?? ""
        const execute = Effect.gen(function* () {
          const body = request.method === "GET" ? {} : yield* fieldsOf(received)
          return yield* executes[op]({
            userId,
            seat,
            projectId,
            params: found.params,
            query,
            body,
            settings,
            fault: fault?.fault
          })
        })
        // Turns denials into answers, so that a fault can spoil them too.
        const answered = Effect.catchTag(execute, "Denial", (denial) => Effect.succeed<Answer>(denial))
        return yield* strike(fault, projectId, throughBroker(received, op, answered))
      })

    const nowhere: Seat = {
      workspace_id: "",
      workspace_role: 0,
      seated: false,
      project_id: null,
      network: null,
      default_assignee: null,
      project_role: null
    }

    /** Checks authentication, permission, throttle and method, in this order, as measured. */
    const admitted = Effect.fnUntraced(function* (received: Received, found: Match) {
      const { entry, query, request } = received
      const key = request.headers["x-api-key"]
      const userId = yield* access.userOf(key)
      const op = opOf(found, request.method, query)
      const asked = op ?? Object.values(found.route.ops)[0] ?? "me"
      const seat = asked === "me" ? nowhere : yield* access.seatOf(userId, found.params)
      const denial = denied(asked, seat)
      if (denial !== undefined) return yield* denial
      const pass = yield* rates.pass(key ?? "")
      if (pass._tag === "Throttled") return throttled(pass.retryAfter)
      const known = found.route.allow.split(", ").includes(request.method)
      const answered =
        op === undefined
          ? Effect.succeed(
              respond(
                known
                  ? detail(501, "The reference Plane does not have this call.")
                  : detail(405, `Method "${request.method}" not allowed.`)
              )
            )
          : carryOut(received, op, found, userId, seat)
      const reply: Reply = yield* Effect.catchCause(answered, failed)
      return withHeaders(entry, reply, {
        "x-ratelimit-remaining": String(pass.remaining),
        "x-ratelimit-reset": String(pass.reset)
      })
    })

    const failed = (cause: Cause.Cause<unknown>): Effect.Effect<Reply> => {
      const failure = Cause.squash(cause)
      if (failure instanceof Denial) return Effect.succeed(respond(failure))
      if (typeof failure === "object" && failure !== null && "_tag" in failure && failure._tag === "Died") {
        return Effect.succeed("cut")
      }
      return Cause.hasInterrupts(cause)
        ? Effect.interrupt
        : Effect.as(Effect.logError("A call failed", cause), respond(internal))
    }

    const exchange = Effect.fnUntraced(function* (request: Request) {
      const settings = yield* behaviour.settings
      const { pathname, search, searchParams } = new URL(request.url, "http://plane")
      const query = Object.fromEntries(searchParams)
      const found = match(pathname, settings)
      const body = yield* Effect.catch(readBody(request), () => Effect.succeed({ value: null, isJson: true }))
      const { "x-api-key": _, ...headers } = request.headers
      const op = found === undefined ? null : (opOf(found, request.method, query) ?? null)
      const entry = yield* journal.open({
        method: request.method,
        path: request.url,
        headers,
        body: body.value,
        op
      })
      const answer = Effect.gen(function* () {
        if (pathname === "/") return respond({ status: 200, body: '{"status": "OK"}' })
        if (found === undefined && !pathname.endsWith("/") && match(`${pathname}/`, settings) !== undefined) {
          return HttpServerResponse.text("", {
            status: 301,
            contentType: "text/html; charset=utf-8",
            headers: { location: `${pathname}/${search}` }
          })
        }
        if (found === undefined) return yield* noSuchPath
        if (Number(request.headers["content-length"] ?? 0) > largestBody) return yield* tooLarge
        const reply = yield* Effect.catchCause(
          admitted({ request, query, body, settings, entry }, found),
          failed
        )
        return withHeaders(entry, reply, { allow: found.route.allow })
      })
      const reply = yield* Effect.catchCause(answer, failed)
      if (reply !== "cut") entry.status = reply.status
      return reply
    })

    /** Runs each request on a fiber of its own, to its end even if the client is gone. */
    yield* router.add("*", "*", (request) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkIn(exchange(request), scope)
        const reply = yield* Fiber.join(fiber)
        if (reply !== "cut") return reply
        NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()
        // The fiber of a request is interrupted once its socket has closed.
        return yield* Effect.never
      })
    )
  })
)
