import { Context, Effect, Layer, Option, Schema } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import { HttpApiError } from "effect/http-api"
import { Settings } from "../../Config.ts"
import { type Failure, RequestRefused } from "../../domain/Failure.ts"
import { isLifecycleKey } from "../../domain/IdempotencyKey.ts"
import { AgentId, OperationId, UserId } from "../../domain/Ids.ts"
import { invalid, secretIn } from "../../domain/inputs.ts"
import { holdsSecret } from "../../domain/Token.ts"
import { AgentRegistry } from "../../services/AgentRegistry.ts"
import { CurrentRequest } from "../../services/CurrentRequest.ts"
import { Operations } from "../../services/Operations.ts"
import { Addresses } from "../Addresses.ts"
import { agentToken } from "../Bearer.ts"
import { jsonUpTo, maxRedemptionBytes, readJson } from "../Body.ts"
import { keyHeader } from "../fields.ts"
import { Hosts } from "../Hosts.ts"
import { withChallenge } from "../oauth/challenge.ts"
import { makeOperator } from "../operator.ts"
import { isFailure, problem } from "../Problem.ts"
import { requestId } from "../RequestId.ts"
import { AgentAccess, InternalAccess, OwnPages, PresentedToken } from "./Access.ts"
import { ActName, Acts, StrictBody, StrictOpenBody } from "./Lifecycle.ts"
import { Problems } from "./Problems.ts"

/** What the declarations promise of every endpoint: who may pass, how bodies are read, how failures look. */

/** What went wrong in one of ours, where it did; else it is a defect. */
const failureOf = (error: unknown): Failure | undefined => {
  if (isFailure(error)) return error
  if (!HttpApiError.HttpApiSchemaError.is(error)) return undefined
  switch (error.kind) {
    case "Params":
      return new RequestRefused({
        reason: "not_found",
        message: "There is nothing at this path: an id in it is not of the form that ids have."
      })
    case "Query":
    case "Headers":
    case "Payload":
      return invalid(error.cause)
    default:
      return undefined
  }
}

const problems = Layer.succeed(Problems, (handler) =>
  Effect.flatMap(HttpServerRequest, (request) =>
    Effect.catch(handler, (error) => {
      const failure = failureOf(error)
      return failure === undefined ? Effect.fail(error) : Effect.succeed(problem(failure, requestId(request)))
    })
  )
)

const ownPages = Layer.effect(
  OwnPages,
  Effect.map(Hosts, (hosts) =>
    OwnPages.of((handler) =>
      Effect.flatMap(HttpServerRequest, (request) => Effect.andThen(hosts.checkOrigin(request), handler))
    )
  )
)

const internalAccess = Layer.effect(
  InternalAccess,
  Effect.map(Effect.map(Settings, makeOperator), (operator) =>
    InternalAccess.of({
      internalToken: (handler) =>
        Effect.flatMap(HttpServerRequest, (request) =>
          operator(request).pipe(
            Effect.andThen(CurrentRequest),
            Effect.tap((facts) =>
              Effect.sync(() => {
                facts.operator = true
              })
            ),
            Effect.andThen(handler)
          )
        )
    })
  )
)

/** Whoever may not pass is told how to get a token, as on `/mcp`. */
const agentAccess = Layer.effect(
  AgentAccess,
  Effect.map(Addresses, ({ publicUrl }) => {
    const challenged = withChallenge(publicUrl)
    return AgentAccess.of({
      agentToken: (handler) =>
        Effect.flatMap(HttpServerRequest, (request) =>
          Effect.catchTag(
            Effect.flatMap(agentToken(request), (token) =>
              Effect.provideService(handler, PresentedToken, token)
            ),
            "AuthFailure",
            (failure) => Effect.succeed(challenged(problem(failure, requestId(request))))
          )
        )
    })
  })
)

/** An endpoint decodes its body from the request's text, so it is given one that was read strictly. */
const strictly =
  (read: typeof readJson): (typeof StrictBody)["Service"] =>
  (handler) =>
    Effect.flatMap(HttpServerRequest, (request) =>
      Effect.gen(function* () {
        const body = yield* read
        const secret = secretIn(body)
        if (secret !== undefined) return yield* secret
        const checked: HttpServerRequest = Object.create(request, {
          text: { value: Effect.succeed(JSON.stringify(body)) }
        })
        return yield* Effect.provideService(handler, HttpServerRequest, checked)
      })
    )

const strictBody = Layer.succeed(StrictBody, strictly(readJson))

const strictOpenBody = Layer.succeed(StrictOpenBody, strictly(jsonUpTo(maxRedemptionBytes)))

const agentIn = Schema.decodeUnknownOption(AgentId)
const operationIn = Schema.decodeUnknownOption(OperationId)
const ownerIn = Schema.decodeUnknownOption(UserId)

/**
 * Records an act that failed: outside of its transaction, which is undone by then. A failure of the
 * database itself can't be put into it.
 */
const acts = Layer.effect(
  Acts,
  Effect.gen(function* () {
    const registry = yield* AgentRegistry
    const operations = yield* Operations
    return Acts.of((handler, { endpoint }) =>
      Effect.tapError(handler, (error) =>
        Effect.gen(function* () {
          const failure = failureOf(error)
          const { params } = yield* HttpRouter.RouteContext
          if (failure === undefined || failure.kind === "gateway") return
          const agent = agentIn(params.agent_id)
          const operation = operationIn(params.operation_id)
          const owner = ownerIn(params.owner_user_id)
          // A path that names an owner reaches that owner's agents only, and so none where it names nobody.
          if (params.owner_user_id !== undefined && Option.isNone(owner)) return
          const request = yield* HttpServerRequest
          const act = {
            reach: Option.getOrUndefined(owner),
            requestId: requestId(request),
            key: saneKey(request.headers[keyHeader])
          }
          const action = Context.getUnsafe(endpoint.annotations, ActName)
          if (Option.isSome(agent)) yield* registry.recordFailure(act, action, agent.value, failure)
          if (Option.isSome(operation)) yield* operations.recordFailure(act, action, operation.value, failure)
        })
      )
    )
  })
)

const saneKey = (value: string | undefined) =>
  value !== undefined && isLifecycleKey(value) && !holdsSecret(value) ? { path: "", value } : undefined

/** All that the declarations of the API ask to be carried out around their handlers. */
export const layer = Layer.mergeAll(
  problems,
  ownPages,
  internalAccess,
  agentAccess,
  strictBody,
  strictOpenBody,
  acts
)
