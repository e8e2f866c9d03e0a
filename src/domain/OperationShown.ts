import { Schema } from "effect"
import { AgentId, CommentId, IssueId, OperationId, ProjectId } from "./Ids.ts"
import { Instant } from "./Principal.ts"

/**
 * Where a write stands, for those who are to see and settle it. `in_progress`: a call or the gateway's
 * recovery is at work on it, or will be. `unresolved`: looking again would not help, its owner decides.
 * `executed` and `not_executed` are settled. `expired`: executed, and its answer is kept no longer.
 */
export const OperationStatus = Schema.Literals([
  "in_progress",
  "unresolved",
  "executed",
  "not_executed",
  "expired"
])

/** What is still to be settled. */
export const OpenStatus = Schema.Literals(["in_progress", "unresolved"])
export type OpenStatus = typeof OpenStatus.Type

/** One write as it is shown: which it is and what became of it, never what was written. */
export const OperationShown = Schema.Struct({
  id: OperationId,
  agent_id: AgentId,
  /** The name of the tool that was called. */
  tool: Schema.String,
  project_id: ProjectId,
  /** The card that it is about; null where it makes one and nobody knows which. */
  issue_id: Schema.NullOr(IssueId),
  /** That card's, such as `OPS-12`, while the write's answer is kept and holds the card. */
  issue_identifier: Schema.NullOr(Schema.String),
  /** The comment that it made, likewise. */
  comment_id: Schema.NullOr(CommentId),
  idempotency_key: Schema.String,
  status: OperationStatus,
  /** Why its outcome is not known, why it counts as not done, or the note of the owner who settled it. */
  reason: Schema.NullOr(Schema.String),
  /** How often recovery looked in vain while Tasker was there to be asked. */
  looks: Schema.Int,
  /** Of the call that reserved it. */
  request_id: Schema.String,
  created_at: Instant,
  settled_at: Schema.NullOr(Instant),
  /** True if more than one card or comment stands in Tasker under this key. */
  doubled: Schema.optionalKey(Schema.Literal(true))
}).annotate({ identifier: "Operation" })
export type OperationShown = typeof OperationShown.Type
