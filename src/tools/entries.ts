import { Option, Predicate, Schema } from "effect"
import { type AuditEntry, type Outcome, outcomeOf } from "../domain/AuditEvent.ts"
import { codeOf, type Failure } from "../domain/Failure.ts"
import { IssueId, ProjectId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { holdsSecret } from "../domain/Token.ts"
import type { OpenedWrite } from "./Tool.ts"
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
    idempotency_key:
      Predicate.isString(key) && /^[A-Za-z0-9_:.-]{8,128}$/.test(key) && !holdsSecret(key) ? key : null
  }
}

/** What the trail says of a call of a tool. */
export const entryOf = (
  call: ToolCall,
  principal: Principal,
  outcome: Outcome,
  opened?: OpenedWrite
): AuditEntry => ({
  ...told(call.args),
  action: call.name,
  outcome,
  reason: null,
  agent_id: principal.agent.id,
  owner_user_id: principal.agent.owner_user_id,
  token_id: principal.token.id,
  arguments_sha256: opened?.fingerprint ?? null,
  request_id: call.requestId,
  via: call.via
})

export const failureEntry = (
  call: ToolCall,
  principal: Principal,
  failure: Failure,
  opened?: OpenedWrite
): AuditEntry => ({
  ...entryOf(call, principal, outcomeOf(failure), opened),
  reason: codeOf(failure)
})
