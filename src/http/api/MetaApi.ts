import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Scope } from "../../domain/Scope.ts"
import { TaskerCapabilities } from "../../domain/Tasker.ts"

/** What is open to all: whether the gateway lives, whether it can serve, and what it can do. */

const Health = Schema.Struct({
  /** `draining`: it was told to stop, and serves only until the load goes elsewhere. */
  status: Schema.Literals(["ready", "degraded", "unavailable", "draining"]),
  checks: Schema.Struct({
    database: Schema.Literals(["ok", "unavailable"]),
    migrations: Schema.Literals(["ok", "pending", "unknown"]),
    tasker: Schema.Literals(["ok", "unconfigured", "unreachable"])
  }),
  /** Audit events that are not sealed yet, counted up to 10,000, and for how long the oldest waits; null: the database can't say. */
  audit: Schema.NullOr(
    Schema.Struct({ unsealed_events: Schema.Int, oldest_unsealed_seconds: Schema.Number })
  ),
  /** Only for the gateway's internal token as bearer. */
  operators: Schema.optionalKey(
    Schema.Struct({ tasker_capabilities: TaskerCapabilities, warnings: Schema.Array(Schema.String) })
  )
})
export type Health = typeof Health.Type

export const MetaApi = HttpApiGroup.make("meta")
  .add(
    HttpApiEndpoint.get("healthz", "/healthz", { success: Schema.Struct({ status: Schema.Literal("ok") }) }),
    HttpApiEndpoint.get("readyz", "/readyz", { success: [Health, Health.pipe(HttpApiSchema.status(503))] }),
    HttpApiEndpoint.get("capabilities", "/api/v1/meta/capabilities", {
      success: Schema.Struct({
        service: Schema.String,
        version: Schema.String,
        mcp: Schema.Struct({ endpoint: Schema.String, protocol_versions: Schema.Array(Schema.String) }),
        scopes: Schema.Array(Scope),
        tools: Schema.Array(Schema.String),
        tasker: TaskerCapabilities,
        endpoints: Schema.Array(Schema.Struct({ method: Schema.String, path: Schema.String }))
      })
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Gateway", description: "Open to all." }))
