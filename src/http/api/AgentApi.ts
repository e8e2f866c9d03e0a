import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { IdempotencyKey } from "../../domain/IdempotencyKey.ts"
import { TokenId } from "../../domain/Ids.ts"
import { OperationShown } from "../../domain/OperationShown.ts"
import { Instant } from "../../domain/Principal.ts"
import { Scope } from "../../domain/Scope.ts"
import { AgentShown, GrantShown, OwnerShown } from "../../tools/getSession.ts"
import { keyHeader } from "../fields.ts"
import { SetupPacket, setupQuery } from "../setup.ts"
import { AgentAccess } from "./Access.ts"
import { failures } from "./Problems.ts"

/** What agents themselves may ask, besides `/mcp`: who they are, and their tools over plain HTTP. */

const JsonObject = Schema.Record(Schema.String, Schema.Unknown)

export const replayedHeader = "idempotent-replayed"

export const AgentApi = HttpApiGroup.make("agent")
  .add(
    HttpApiEndpoint.get("getSession", "/agent-session", {
      success: Schema.Struct({
        agent: AgentShown,
        owner: OwnerShown,
        grants: Schema.Array(GrantShown),
        scopes: Schema.Array(Scope),
        token: Schema.Struct({ id: TokenId, name: Schema.String, expires_at: Schema.NullOr(Instant) })
      })
    }),
    HttpApiEndpoint.get("getSetup", "/agent-session/setup", {
      query: setupQuery,
      success: Schema.Struct({ setup: SetupPacket })
    }),
    HttpApiEndpoint.get("getOperation", "/agent-session/operations/:idempotency_key", {
      params: { idempotency_key: IdempotencyKey },
      success: Schema.Struct({ operation: OperationShown }),
      error: failures(410)
    }).annotate(
      OpenApi.Description,
      "What became of the write that you sent with this idempotency_key. 404: it never arrived, or was refused and changed nothing, so it may be sent. 410: it was carried out long ago and nothing else is known of it any more; never send it again. Without a live grant on its project only the status is told, nothing of the card."
    ),
    HttpApiEndpoint.get("listTools", "/tools", {
      success: Schema.Struct({
        tools: Schema.Array(
          Schema.Struct({
            name: Schema.String,
            title: Schema.String,
            description: Schema.String,
            inputSchema: JsonObject,
            outputSchema: JsonObject,
            annotations: JsonObject
          })
        )
      })
    }),
    HttpApiEndpoint.post("callTool", "/tools/:tool_name", {
      params: { tool_name: Schema.String },
      headers: { [keyHeader]: Schema.optionalKey(Schema.String) },
      payload: JsonObject,
      success: HttpApiSchema.WithHeaders(JsonObject, {
        [replayedHeader]: Schema.optionalKey(Schema.Literal("true"))
      }),
      error: failures(400, 403, 409, 410, 413, 415, 429, 501, 502, 504)
    })
  )
  .middleware(AgentAccess)
  .prefix("/api/v1")
  .annotateMerge(
    OpenApi.annotations({
      title: "Agents",
      description:
        "For agents, by their token. A tool takes and answers what its schemas in GET /api/v1/tools say."
    })
  )
