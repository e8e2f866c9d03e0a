import type { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { type Context, Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { RequestFacts } from "../services/CurrentRequest.ts"

/** Longest path that is logged; a path may be as long as the headers may. */
const longestPath = 256

/**
 * One line a request, written when its response has left or its client has gone. It holds neither
 * headers nor bodies, and the path without its query, since secrets travel in all of them.
 */
export const watch = (
  request: HttpServerRequest,
  requestId: string,
  facts: RequestFacts,
  context: Context.Context<never>
): void => {
  const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
  const started = performance.now()
  const path = pathOf(request.url)
  response.once("close", () => {
    Effect.runForkWith(context)(
      // Healthchecks come every few seconds and say nothing where they go well.
      Effect.logWithLevel(path === "/healthz" && response.statusCode < 400 ? "Debug" : "Info")("request", {
        method: request.method,
        path,
        status: response.statusCode,
        duration_ms: Math.round((performance.now() - started) * 10) / 10,
        request_id: requestId,
        agent_id: facts.agentId,
        // The client left before it had all of the reply.
        cut: response.writableFinished ? undefined : true
      })
    )
  })
}

const pathOf = (url: string): string => {
  const query = url.indexOf("?")
  const path = query < 0 ? url : url.slice(0, query)
  return path.length > longestPath ? `${path.slice(0, longestPath)}…` : path
}
