import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { type AuditEntry, auditEntry } from "../domain/AuditEvent.ts"
import { type AuthFailure, codeOf, type Failure, type GatewayUnavailable } from "../domain/Failure.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import type { Caller, TokenStore } from "../services/TokenStore.ts"
import { requestId } from "./RequestId.ts"

/** Establishes who sent a request. `E` is what it may fail with besides. */
export type Authenticate<E> = (
  request: HttpServerRequest,
  token: Token,
  action: string,
  via: AuditEntry["via"]
) => Effect.Effect<Principal, AuthFailure | GatewayUnavailable | E>

/**
 * Establishes who calls, for requests that are no tool's call (those the pipeline authenticates).
 * A dead token of an agent that we know leaves an audit event under `action`; one that nobody knows
 * is a line in the log. `counted` counts the request as one of the agent's reads; `uncounted` is for one that
 * is counted later.
 */
export const makeAuthenticate = (tokens: TokenStore["Service"], audit: AuditLog["Service"]) => ({
  counted: recording((token) => tokens.admit(token, "reads"), audit),
  uncounted: recording((token) => tokens.authenticate(token), audit)
})

const recording =
  <E extends Failure>(
    look: (token: Token) => Effect.Effect<Caller, AuthFailure | GatewayUnavailable | E>,
    audit: AuditLog["Service"]
  ): Authenticate<E> =>
  (request, token, action, via) =>
    look(token).pipe(
      Effect.map(({ principal }) => principal),
      Effect.tap(({ agent }) =>
        Effect.map(CurrentRequest, (facts) => {
          facts.agentId = agent.id
        })
      ),
      Effect.tapError((failure) =>
        failure._tag === "AuthFailure" && failure.holder !== undefined
          ? audit.record(
              auditEntry({
                action,
                outcome: "denied",
                reason: codeOf(failure),
                agent: failure.holder.agent,
                token: failure.holder.token,
                request_id: requestId(request),
                via
              })
            )
          : Effect.logWarning("A call was refused", { code: codeOf(failure) })
      )
    )
