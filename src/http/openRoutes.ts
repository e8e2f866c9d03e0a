import { Effect, Option } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import { TokenStore } from "../services/TokenStore.ts"
import { agentToken } from "./Bearer.ts"
import { problem } from "./Problem.ts"
import { requestId } from "./RequestId.ts"

/** Routes that are open to all and look at no token. */
const open = new Set(["/docs", "/openapi.json", "/connect", "/api/v1/meta/capabilities"])

/**
 * Counts what an agent asks of the open routes as reads of its own. Without an agent's token they count against
 * the address, and so does a token that nobody holds.
 */
export const counted = HttpRouter.middleware(
  Effect.map(
    TokenStore,
    (tokens) => (routed) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest
        const [path = ""] = request.url.split("?", 1)
        const token = open.has(path) ? yield* Effect.option(agentToken(request)) : Option.none()
        if (Option.isNone(token)) return yield* routed
        const admitted = yield* Effect.result(tokens.admit(token.value, "reads"))
        return admitted._tag === "Failure" && admitted.failure._tag === "LimitReached"
          ? problem(admitted.failure, requestId(request))
          : yield* routed
      })
  ),
  { global: true }
)
