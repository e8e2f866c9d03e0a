import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AgentId } from "../../domain/Ids.ts"
import { Turn } from "../../domain/Timeline.ts"
import { InternalAccess } from "./Access.ts"
import { nextCursor, OwnerInPath, paged, strict } from "./Lifecycle.ts"

/** An agent's work as a person replays it. It stands twice, as the lifecycle API does. */

const resources = <const Name extends string, Owner extends Schema.Struct.Fields>(name: Name, owner: Owner) =>
  HttpApiGroup.make(name).add(
    HttpApiEndpoint.get("getTimeline", "/agents/:agent_id/timeline", {
      params: { ...owner, agent_id: AgentId },
      query: paged,
      success: Schema.Struct({ turns: Schema.Array(Turn), ...nextCursor })
    }).annotate(
      OpenApi.Description,
      "What the agent did, by conversation and turn as its client names them, newest first: what was asked, what was changed on which card (before and after, for CHANGE_RETENTION_DAYS), what was refused and why, how long it took. `limit` counts events; a page ends earlier where its changes are long. A turn with earlier events on a page to come is `continued`. Names of turns and models are claims of the client."
    )
  )

export const OperatorTimeline = resources("operatorTimeline", {})
  .middleware(InternalAccess)
  .prefix("/api/v1")
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(OpenApi.annotations({ title: "Timeline: operators", description: "The work of any agent." }))

export const OwnerTimeline = resources("ownerTimeline", { owner_user_id: OwnerInPath })
  .middleware(InternalAccess)
  .prefix("/api/internal/v1/owners/:owner_user_id")
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Timeline: one owner",
      description: "The work of the agents of one owner; those of others are not found. For Tasker's backend."
    })
  )
