import { Effect, Predicate } from "effect"
import * as Response from "effect/http/HttpServerResponse"
import { HttpApiBuilder } from "effect/http-api"
import { failureEntry } from "../../calls/entries.ts"
import { RequestRefused } from "../../domain/Failure.ts"
import type { OperationShown } from "../../domain/OperationShown.ts"
import type { Principal } from "../../domain/Principal.ts"
import { allScopes } from "../../domain/Scope.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { GrantPolicy } from "../../services/GrantPolicy.ts"
import { Operations } from "../../services/Operations.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { sessionOf } from "../../tools/getSession.ts"
import { find } from "../../tools/registry.ts"
import { Tools } from "../../tools/Tools.ts"
import { Addresses } from "../Addresses.ts"
import { makeAuthenticate } from "../authenticate.ts"
import { readJsonOf } from "../Body.ts"
import { keyHeader } from "../fields.ts"
import { requestId } from "../RequestId.ts"
import { setupPacket } from "../setup.ts"
import { PresentedToken } from "./Access.ts"
import { replayedHeader } from "./AgentApi.ts"
import { Api } from "./Api.ts"

export const layer = HttpApiBuilder.group(Api, "agent", (group) =>
  Effect.gen(function* () {
    const audit = yield* AuditLog
    const { counted: authenticate, uncounted } = makeAuthenticate(yield* TokenStore, audit)
    const operations = yield* Operations
    const policy = yield* GrantPolicy
    const tools = yield* Tools
    const { publicUrl } = yield* Addresses

    return group
      .handle("getSession", ({ request }) =>
        Effect.gen(function* () {
          const principal = yield* authenticate(request, yield* PresentedToken, "agent_session", "rest")
          const { expires_at, id, name } = principal.token
          const held = policy.scopes(principal)
          return {
            ...sessionOf(principal),
            scopes: allScopes.filter((scope) => held.has(scope)),
            token: { id, name, expires_at }
          }
        })
      )
      .handle("getSetup", ({ query, request }) =>
        Effect.gen(function* () {
          const principal = yield* authenticate(request, yield* PresentedToken, "agent_setup", "rest")
          const { grants } = sessionOf(principal)
          return { setup: setupPacket(publicUrl, tools.list(principal), grants, query.lang) }
        })
      )
      .handle("getOperation", ({ params, request }) =>
        Effect.gen(function* () {
          const principal = yield* authenticate(request, yield* PresentedToken, "agent_operation", "rest")
          const operation = yield* operations.ofKey(principal.agent.id, params.idempotency_key)
          return { operation: shownTo(principal, operation) }
        })
      )
      .handle("listTools", ({ request }) =>
        Effect.gen(function* () {
          const principal = yield* authenticate(request, yield* PresentedToken, "tools_list", "rest")
          return { tools: tools.list(principal) }
        })
      )
      .handleRaw("callTool", ({ headers, params, request }) =>
        Effect.gen(function* () {
          const token = yield* PresentedToken
          const name = params.tool_name
          if (!tools.names.has(name)) {
            yield* authenticate(request, token, "unknown_tool", "rest")
            return yield* unknownTool
          }
          const call = { token, name, via: "rest", requestId: requestId(request) } as const
          const writes = find(name)?._tag === "Write"
          const args = yield* Effect.flatMap(readJsonOf(uncounted(request, token, name, "rest")), (body) =>
            keyed(body, writes ? headers[keyHeader] : undefined)
          ).pipe(
            // The pipeline never sees such a call; who made it is settled all the same before it is answered.
            Effect.tapErrorTag("RequestRefused", (failure) =>
              Effect.flatMap(authenticate(request, token, name, "rest"), (principal) =>
                writes
                  ? Effect.flatMap(
                      failureEntry({ ...call, args: undefined }, principal, failure),
                      audit.record
                    )
                  : Effect.void
              )
            )
          )
          const result = yield* tools.call({ ...call, args })
          return Response.jsonUnsafe(result.structured, {
            headers: result.replayed ? { [replayedHeader]: "true" } : {}
          })
        })
      )
  })
)

/** Where the project is granted no more, its agent is told what became of its call, and nothing of the card. */
const shownTo = ({ grants }: Principal, operation: OperationShown): OperationShown =>
  grants.some(({ expired, project_id }) => !expired && project_id === operation.project_id)
    ? operation
    : { ...operation, issue_id: null, issue_identifier: null, comment_id: null, reason: null }

const unknownTool = new RequestRefused({
  reason: "not_found",
  message: "There is no tool of this name. GET /api/v1/tools lists those that you may use."
})

/** A write's key may come as a header or among the arguments. Where both come they must agree: which to believe is not ours to guess. */
const keyed = (args: unknown, header: string | undefined): Effect.Effect<unknown, RequestRefused> => {
  if (header === undefined || !Predicate.isObject(args)) return Effect.succeed(args)
  if (!Predicate.hasProperty(args, "idempotency_key"))
    return Effect.succeed({ ...args, idempotency_key: header })
  return args.idempotency_key === header
    ? Effect.succeed(args)
    : Effect.fail(
        new RequestRefused({
          reason: "malformed",
          message:
            "The Idempotency-Key header and idempotency_key in the body differ. Send one of them, or the same in both. Nothing was changed."
        })
      )
}
