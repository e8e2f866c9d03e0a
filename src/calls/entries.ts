import { Clock, Effect, Option, Predicate, Schema } from "effect"
import { type AuditEntry, auditEntry, type Outcome, outcomeOf } from "../domain/AuditEvent.ts"
import { codeOf, type Failure } from "../domain/Failure.ts"
import { isIdempotencyKey } from "../domain/IdempotencyKey.ts"
import { IssueId, ProjectId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { holdsSecret } from "../domain/Token.ts"
import type { WriteRequest } from "../tools/Tool.ts"
import type { ToolCall } from "../tools/Tools.ts"

const projectIn = Schema.decodeUnknownOption(ProjectId)
const issueIn = Schema.decodeUnknownOption(IssueId)

/** What of a call's arguments goes into the trail: ids and the key, where they are well-formed; no text. */
const told = (args: unknown): Pick<AuditEntry, "project_id" | "issue_id" | "idempotency_key"> => {
  const of = Predicate.isObject(args) ? (args as Record<string, unknown>) : {}
  const key = of.idempotency_key
  return {
    project_id: Option.getOrNull(projectIn(of.project_id)),
    issue_id: Option.getOrNull(issueIn(of.issue_id)),
    idempotency_key: Predicate.isString(key) && isIdempotencyKey(key) && !holdsSecret(key) ? key : null
  }
}

/** A call that the trail tells of. */
export interface ToldCall extends ToolCall {
  /** When the pipeline took it, by the monotonic clock, in nanoseconds; left out where it never got there. */
  readonly receivedAt?: bigint
}

/** How long a call has taken until now. */
const duration = ({ receivedAt }: ToldCall): Effect.Effect<Pick<AuditEntry, "duration_ms">> =>
  receivedAt === undefined
    ? Effect.succeed({})
    : Effect.map(Clock.monotonicTimeNanos, (now) => ({
        duration_ms: Math.max(0, Math.round(Number(now - receivedAt) / 1e6))
      }))

/** What the trail says of a call of a tool that has come to its outcome just now. */
export const entryOf = (
  call: ToldCall,
  principal: Principal,
  outcome: Outcome,
  request?: WriteRequest
): Effect.Effect<AuditEntry> =>
  Effect.map(duration(call), (took) =>
    auditEntry({
      ...told(call.args),
      action: call.name,
      outcome,
      agent: principal.agent,
      token: principal.token,
      arguments_sha256: request?.fingerprint ?? null,
      request_id: call.requestId,
      via: call.via,
      ...(call.client === undefined ? {} : { client: call.client }),
      ...took
    })
  )

export const failureEntry = (
  call: ToldCall,
  principal: Principal,
  failure: Failure,
  request?: WriteRequest
): Effect.Effect<AuditEntry> =>
  Effect.map(entryOf(call, principal, outcomeOf(failure), request), (entry) => ({
    ...entry,
    reason: codeOf(failure)
  }))
