import { Option, Predicate, Schema } from "effect"
import { type AuditEntry, auditEntry, type Outcome, outcomeOf } from "../domain/AuditEvent.ts"
import { codeOf, type Failure } from "../domain/Failure.ts"
import { isIdempotencyKey } from "../domain/IdempotencyKey.ts"
import { IssueId, ProjectId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { holdsSecret } from "../domain/Token.ts"
import type { WriteRequest } from "./Tool.ts"
import type { ToolCall } from "./Tools.ts"

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

/** What the trail says of a call of a tool. */
export const entryOf = (
  call: ToolCall,
  principal: Principal,
  outcome: Outcome,
  request?: WriteRequest
): AuditEntry =>
  auditEntry({
    ...told(call.args),
    action: call.name,
    outcome,
    agent: principal.agent,
    token: principal.token,
    arguments_sha256: request?.fingerprint ?? null,
    request_id: call.requestId,
    via: call.via
  })

export const failureEntry = (
  call: ToolCall,
  principal: Principal,
  failure: Failure,
  request?: WriteRequest
): AuditEntry => ({
  ...entryOf(call, principal, outcomeOf(failure), request),
  reason: codeOf(failure)
})
