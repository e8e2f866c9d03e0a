import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { makeDecide } from "../../calls/decide.ts"
import type { Decision } from "../../domain/Decision.ts"
import type { AgentId, OperationId, UserId } from "../../domain/Ids.ts"
import type { OpenStatus } from "../../domain/OperationShown.ts"
import { Operations } from "../../services/Operations.ts"
import { TaskerAdapter } from "../../services/TaskerAdapter.ts"
import { Texts } from "../../services/Texts.ts"
import { requestId } from "../RequestId.ts"
import { Api } from "./Api.ts"
import { type Asked, type Carrying, type Paged, pageOf } from "./LifecycleHandlers.ts"

interface OfOperation extends Asked {
  readonly params: { readonly owner_user_id?: UserId; readonly operation_id: OperationId }
}

interface Listing extends Asked {
  readonly query: Paged["query"] & { readonly status?: OpenStatus; readonly agent_id?: AgentId }
}

/** One set of handlers for both APIs. */
const handlers = Effect.gen(function* () {
  const operations = yield* Operations
  const decide = makeDecide(operations, { tasker: yield* TaskerAdapter, texts: yield* Texts })

  return {
    listOperations: ({ params, query }: Listing) =>
      Effect.map(
        operations.list(params.owner_user_id, {
          ...pageOf(query),
          status: query.status,
          agentId: query.agent_id
        }),
        ({ items, next_cursor }) => ({ operations: items, next_cursor })
      ),
    getOperation: ({ params }: OfOperation) =>
      Effect.map(
        operations.get(params.owner_user_id, params.operation_id),
        ({ history, operation, truncated }) => ({
          operation,
          history,
          ...(truncated ? { truncated: true as const } : {})
        })
      ),
    settleOperation: ({ params, payload, request }: OfOperation & Carrying<typeof Decision>) => {
      const act = { reach: params.owner_user_id, requestId: requestId(request), key: undefined }
      return Effect.map(decide(act, params.operation_id, payload), (operation) => ({ operation }))
    }
  }
})

export const layer = Layer.mergeAll(
  HttpApiBuilder.group(Api, "operatorOperations", (group) =>
    Effect.map(handlers, (all) => group.handleAll(all))
  ),
  HttpApiBuilder.group(Api, "ownerOperations", (group) => Effect.map(handlers, (all) => group.handleAll(all)))
)
