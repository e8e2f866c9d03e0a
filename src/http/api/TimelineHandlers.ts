import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { AgentId, UserId } from "../../domain/Ids.ts"
import { Timeline } from "../../services/Timeline.ts"
import { Api } from "./Api.ts"
import { type Asked, type Paged, pageOf } from "./LifecycleHandlers.ts"

interface OfAgent extends Asked, Paged {
  readonly params: { readonly owner_user_id?: UserId; readonly agent_id: AgentId }
}

/** One handler for both APIs. */
const handlers = Effect.map(Timeline, (timeline) => ({
  getTimeline: ({ params, query }: OfAgent) =>
    Effect.map(
      timeline.list(params.owner_user_id, { agentId: params.agent_id, ...pageOf(query) }),
      ({ items, next_cursor }) => ({ turns: items, next_cursor })
    )
}))

export const layer = Layer.mergeAll(
  HttpApiBuilder.group(Api, "operatorTimeline", (group) =>
    Effect.map(handlers, (all) => group.handleAll(all))
  ),
  HttpApiBuilder.group(Api, "ownerTimeline", (group) => Effect.map(handlers, (all) => group.handleAll(all)))
)
