import { Cause, Effect } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { RequestRefused } from "../domain/Failure.ts"
import { Addresses } from "../http/Addresses.ts"
import { makeAuthenticate } from "../http/authenticate.ts"
import { agentToken } from "../http/Bearer.ts"
import { readJsonOf } from "../http/Body.ts"
import { Hosts } from "../http/Hosts.ts"
import { withChallenge } from "../http/oauth/challenge.ts"
import { problem } from "../http/Problem.ts"
import { requestId } from "../http/RequestId.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { TokenStore } from "../services/TokenStore.ts"
import { Tools } from "../tools/Tools.ts"
import { decode } from "./decode.ts"
import { ErrorCode, type Message, type Refused } from "./Protocol.ts"
import { anyUse, defectReply, type Exchange, makeResponder, type Reply } from "./Responder.ts"

/** Where the gateway is an MCP server, over Streamable HTTP. No session is ever minted. */
export const path = "/mcp"

/**
 * `/mcp`: what HTTP has to say before and after a message. The order is that of trust: from where
 * (`Host`, `Origin`), who (a token of the right form), what (the body), and only then the database, but
 * for a long body, which is read for a known caller only. Yet nothing is answered about a message to one whose token turns out dead.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const { counted, uncounted } = makeAuthenticate(yield* TokenStore, yield* AuditLog)
    const respond = makeResponder(yield* Tools)
    const challenged = withChallenge((yield* Addresses).publicUrl)

    const carryOut = (exchange: Exchange, message: Message) =>
      respond(exchange, message).pipe(
        Effect.catchCauseIf(Cause.hasDies, (cause) =>
          Effect.as(
            Effect.logError("A message on /mcp met a defect", cause),
            defectReply(message.kind === "notice" ? null : message.id, exchange.requestId)
          )
        )
      )

    const post = Effect.fnUntraced(function* (request: HttpServerRequest, exchange: Exchange) {
      if (!admitsJson(request.headers.accept)) return yield* carryOut(exchange, notAcceptable)
      const body = yield* Effect.result(readJsonOf(uncounted(request, exchange.token, anyUse, "mcp")))
      if (body._tag === "Success") return yield* carryOut(exchange, decode(body.success, mirrored(request)))
      const refused = body.failure
      if (refused._tag !== "RequestRefused") return yield* refused
      if (refused.reason === "malformed") return yield* carryOut(exchange, unparsable(refused.message))
      yield* exchange.authenticate(anyUse)
      return yield* refused
    })

    const handle = Effect.fnUntraced(function* (request: HttpServerRequest) {
      yield* hosts.check(request)
      const token = yield* agentToken(request)
      const exchange: Exchange = {
        token,
        requestId: requestId(request),
        authenticate: (action) => counted(request, token, action, "mcp")
      }
      if (request.method === "POST") return toResponse(yield* post(request, exchange))
      yield* exchange.authenticate(anyUse)
      return yield* notAllowed
    })

    yield* router.add("*", path, (request) =>
      Effect.catch(handle(request), (failure) =>
        Effect.succeed(challenged(problem(failure, requestId(request))))
      )
    )
  })
)

/** There is no stream to open and no session to end (2025-11-25, basic/transports: 405 for both). */
const notAllowed = new RequestRefused({
  reason: "method",
  message: "MCP is spoken here by POST alone: the server is stateless and opens no stream of its own.",
  details: { allow: ["POST"] }
})

const mirrored = ({ headers }: HttpServerRequest) => ({
  revision: headers["mcp-protocol-version"],
  method: headers["mcp-method"],
  name: headers["mcp-name"]
})

/** JSON-RPC 2.0 section 5: an id that could not be read is null. */
const unparsable = (detail: string): Refused => ({
  kind: "refused",
  status: 400,
  id: null,
  code: ErrorCode.parseError,
  message: `Parse error: ${detail}`
})

const notAcceptable: Refused = {
  kind: "refused",
  status: 406,
  id: null,
  code: ErrorCode.invalidRequest,
  message: "Not acceptable: answers are application/json, which the Accept header rules out."
}

/**
 * Whether an answer in JSON is within what the client accepts. MCP wants both JSON and event streams
 * listed; a client that lists either one has to expect JSON, and one that is silent takes anything
 * (RFC 9110 section 12.5.1). A quality of zero rules a range out.
 */
const admitsJson = (accept: string | undefined): boolean =>
  accept === undefined ||
  accept.split(",").some((item) => {
    const [range, ...parameters] = item.toLowerCase().split(";")
    return (
      ranges.has(range?.trim() ?? "") &&
      !parameters.some((parameter) => /^\s*q\s*=\s*0(\.0*)?\s*$/.test(parameter))
    )
  })

const ranges = new Set(["application/json", "text/event-stream", "application/*", "*/*"])

const toResponse = ({ status, body }: Reply): HttpServerResponse.HttpServerResponse =>
  body === null
    ? HttpServerResponse.empty({ status })
    : HttpServerResponse.text(body, { status, contentType: "application/json" })
