import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AuditEvent } from "../../domain/AuditEvent.ts"
import { Decision } from "../../domain/Decision.ts"
import { AgentId, OperationId } from "../../domain/Ids.ts"
import { OpenStatus, OperationShown } from "../../domain/OperationShown.ts"
import { InternalAccess } from "./Access.ts"
import { ActName, Acts, nextCursor, OwnerInPath, paged, StrictBody, strict } from "./Lifecycle.ts"
import { failures } from "./Problems.ts"

/**
 * Writes whose outcome is still to be settled: what people see of them and decide about them. It stands
 * twice, as the lifecycle API does, and both are made here from one definition.
 */

const resources = <const Name extends string, Owner extends Schema.Struct.Fields>(
  name: Name,
  owner: Owner
) => {
  const ofOperation = { ...owner, operation_id: OperationId }
  return HttpApiGroup.make(name).add(
    HttpApiEndpoint.get("listOperations", "/operations", {
      params: owner,
      query: { ...paged, status: Schema.optionalKey(OpenStatus), agent_id: Schema.optionalKey(AgentId) },
      success: Schema.Struct({ operations: Schema.Array(OperationShown), ...nextCursor })
    }).annotate(
      OpenApi.Description,
      "Writes that are still to be settled, newest first: `in_progress`, which a call or the gateway's recovery settles, and `unresolved`, which wait for their owner. Without `status`: both."
    ),
    HttpApiEndpoint.get("getOperation", "/operations/:operation_id", {
      params: ofOperation,
      success: Schema.Struct({
        operation: OperationShown,
        history: Schema.Array(AuditEvent),
        truncated: Schema.optionalKey(Schema.Literal(true))
      })
    }).annotate(
      OpenApi.Description,
      "One write, settled or not, with the audit events of its agent and key, oldest first. Of more than 200 the latest are given, with `truncated: true`; the agent's audit has them all."
    ),
    HttpApiEndpoint.post("settleOperation", "/operations/:operation_id/settle", {
      params: ofOperation,
      payload: Decision,
      success: Schema.Struct({ operation: OperationShown }),
      error: failures(403, 409, 501, 502, 504)
    })
      .middleware(StrictBody)
      .annotate(ActName, "operation.settled")
      .middleware(Acts)
      .annotate(
        OpenApi.Description,
        "Decides what nobody could find out. `executed`: every later call with the key is given the card as it stands, and nothing is sent; `issue_id` names the card that a create made, and is read from Tasker first. `not_executed`: the key is free, the same call may be sent again once an earlier request can't arrive any more (409 `idempotency.in_progress` until then). Tasker is looked at first: a card or comment of the write is 409 `request.conflict`, which names it; where the look is not possible, `force: true` decides without it, which the audit event says (`operation.forced`). `note` is kept with it and shown, also to the agent. It takes no Idempotency-Key: the same decision again is answered as it stands, another one is 409 `request.conflict`, and so is one about an operation that is under way."
      )
  )
}

export const OperatorOperations = resources("operatorOperations", {})
  .middleware(InternalAccess)
  .prefix("/api/v1")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Operations: operators",
      description: "Writes of all agents that are still to be settled."
    })
  )

export const OwnerOperations = resources("ownerOperations", { owner_user_id: OwnerInPath })
  .middleware(InternalAccess)
  .prefix("/api/internal/v1/owners/:owner_user_id")
  .annotate(HttpApi.PayloadParseOptions, strict)
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(
    OpenApi.annotations({
      title: "Operations: one owner",
      description:
        "The same for the agents of one owner; those of others are not found. For Tasker's backend."
    })
  )
