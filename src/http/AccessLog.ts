import type { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { type Context, Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { RequestFacts } from "../services/CurrentRequest.ts"

interface Line {
  /** As it was declared; none where there is no such path. */
  readonly path: string | undefined
  readonly requestId: string
  /** The address that the request is taken to come from. */
  readonly client: string
  readonly facts: RequestFacts
}

/**
 * One line a request, written when its response has left or its client has gone. It holds neither
 * headers nor bodies, and of the URL only which path it named, as that was declared: secrets travel in
 * all of them, and where a token stands percent-encoded no search finds it.
 */
export const watch = (
  request: HttpServerRequest,
  { client, facts, path, requestId }: Line,
  context: Context.Context<never>
): void => {
  const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
  const started = performance.now()
  response.once("close", () => {
    Effect.runForkWith(context)(
      // Healthchecks come every few seconds and say nothing where they go well.
      Effect.logWithLevel(path === "/healthz" && response.statusCode < 400 ? "Debug" : "Info")("request", {
        method: request.method,
        path: path ?? "(no route)",
        status: response.statusCode,
        duration_ms: Math.round((performance.now() - started) * 10) / 10,
        request_id: requestId,
        client,
        agent_id: facts.agentId,
        // The client left before it had all of the reply.
        cut: response.writableFinished ? undefined : true
      })
    )
  })
}
