import { Effect, Option } from "effect"
import * as Response from "effect/http/HttpServerResponse"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import manifest from "../../../package.json" with { type: "json" }
import { Settings } from "../../Config.ts"
import { mcpRevisions } from "../../domain/McpRevision.ts"
import { allScopes } from "../../domain/Scope.ts"
import { ForwardingPeers } from "../../edge/ForwardingPeers.ts"
import { CurrentRequest } from "../../services/CurrentRequest.ts"
import { type OperatorReadings, Readiness } from "../../services/Readiness.ts"
import { Tools } from "../../tools/Tools.ts"
import { Addresses } from "../Addresses.ts"
import { Drain } from "../Drain.ts"
import { makeOperator } from "../operator.ts"
import { Api } from "./Api.ts"
import type { Health } from "./MetaApi.ts"

export const layer = HttpApiBuilder.group(Api, "meta", (group) =>
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const tools = yield* Tools
    const { publicUrl } = yield* Addresses
    const drain = yield* Drain
    const settings = yield* Settings
    const operator = makeOperator(settings)
    const peers = yield* ForwardingPeers
    const rotation = Option.isSome(settings.previousInternalToken) ? [rotating] : []

    return group.handleAll({
      healthz: () => Effect.succeed({ status: "ok" } as const),
      readyz: ({ request }) =>
        Effect.gen(function* () {
          const { audit: unsealed, ...checks } = yield* readiness.check
          const isOperator = yield* Effect.isSuccess(operator(request))
          if (isOperator) (yield* CurrentRequest).operator = true
          drain.asked()
          const able = checks.database === "ok" && checks.migrations === "ok"
          const standing = able ? (checks.tasker === "ok" ? "ready" : "degraded") : "unavailable"
          const status = drain.stage() === "serving" ? standing : "draining"
          const serves = status === "ready" || status === "degraded"
          const audit = unsealed && {
            unsealed_events: unsealed.events,
            oldest_unsealed_seconds: unsealed.oldestSeconds
          }
          const operators = isOperator
            ? { operators: shown(yield* readiness.operators, [...peers.warnings(), ...rotation]) }
            : {}
          return Response.jsonUnsafe({ status, checks, audit, ...operators } satisfies Health, {
            status: serves ? 200 : 503
          })
        }),
      capabilities: () =>
        Effect.map(readiness.operators, ({ taskerCapabilities }) => ({
          service: "nodedc-tasker-codex-api",
          version: manifest.version,
          mcp: { endpoint: `${publicUrl}/mcp`, protocol_versions: mcpRevisions },
          scopes: allScopes,
          tools: [...tools.names],
          tasker: taskerCapabilities,
          endpoints
        }))
    })
  })
)

const shown = (
  { taskerCapabilities, warnings }: OperatorReadings,
  ofTheEdge: ReadonlyArray<string>
): NonNullable<Health["operators"]> => ({
  tasker_capabilities: taskerCapabilities,
  warnings: [...warnings, ...ofTheEdge.map((warning) => `${warning}.`)]
})

const rotating =
  "NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN is still accepted: unset it once every caller sends the new token"

const endpoints: Array<{ readonly method: string; readonly path: string }> = [
  { method: "POST", path: "/mcp" },
  { method: "GET", path: "/openapi.json" },
  { method: "GET", path: "/docs" },
  { method: "GET", path: "/connect" },
  { method: "GET", path: "/.well-known/oauth-authorization-server" },
  { method: "GET", path: "/.well-known/oauth-protected-resource" },
  { method: "GET", path: "/.well-known/oauth-protected-resource/mcp" },
  { method: "POST", path: "/oauth/register" },
  { method: "GET", path: "/oauth/authorize" },
  { method: "POST", path: "/oauth/authorize" },
  { method: "POST", path: "/oauth/token" },
  { method: "POST", path: "/oauth/revoke" }
]
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint: { method, path } }) => {
    endpoints.push({ method, path })
  }
})
