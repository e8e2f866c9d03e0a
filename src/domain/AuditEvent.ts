import { Schema } from "effect"
import { ClientClaims } from "./ClientClaims.ts"
import type { Failure } from "./Failure.ts"
import { AgentId, IssueId, ProjectId, TokenId, UserId, Uuid } from "./Ids.ts"
import { type Agent, Instant, type TokenInfo } from "./Principal.ts"

export const Outcome = Schema.Literals(["executed", "replayed", "denied", "failed", "unknown", "dry_run"])
export type Outcome = typeof Outcome.Type

/** The door through which it came. */
const Via = Schema.Literals(["mcp", "rest", "recovery", "admin"])

/** Who did what, when, and what came of it. Written once, in the transaction of what it tells; never changed. */
export const AuditEvent = Schema.Struct({
  id: Uuid,
  at: Instant,
  /** A tool's name, or an administrative act such as `token.revoked`. */
  action: Schema.String,
  outcome: Outcome,
  /** The failure's code, `<kind>.<reason>`; null for what went well. */
  reason: Schema.NullOr(Schema.String),
  agent_id: Schema.NullOr(AgentId),
  owner_user_id: Schema.NullOr(UserId),
  token_id: Schema.NullOr(TokenId),
  project_id: Schema.NullOr(ProjectId),
  issue_id: Schema.NullOr(IssueId),
  idempotency_key: Schema.NullOr(Schema.String),
  /** SHA-256 of the call's canonical arguments, in hex: shows what was asked without keeping it. */
  arguments_sha256: Schema.NullOr(Schema.String),
  request_id: Schema.String,
  via: Via,
  /** More than one where equal denials of one minute were put together; the rest is then the last one's. */
  count: Schema.Int,
  /**
   * What follows is left out where it is not known, here and in the event's hash: events of before there was
   * any of it are hashed as they ever were.
   */
  client: Schema.optionalKey(ClientClaims),
  /** Of a write that was done: `changeHash` of its change, which is kept apart and for some time only. */
  change_sha256: Schema.optionalKey(Schema.String),
  /** From the call's receipt to this event, in milliseconds; of calls alone. */
  duration_ms: Schema.optionalKey(Schema.Int)
}).annotate({ identifier: "AuditEvent" })
export type AuditEvent = typeof AuditEvent.Type

/** An event before the trail gives it its id and time. */
export type AuditEntry = Omit<AuditEvent, "id" | "at" | "count">

/** What happened to whose agent, by which of its tokens, and whatever else is known of it; the rest is null. */
export const auditEntry = ({
  agent,
  token,
  ...known
}: Pick<AuditEntry, "action" | "outcome" | "request_id" | "via"> &
  Partial<Omit<AuditEntry, "agent_id" | "owner_user_id" | "token_id">> & {
    readonly agent: Pick<Agent, "id" | "owner_user_id">
    readonly token?: Pick<TokenInfo, "id"> | undefined
  }): AuditEntry => ({
  reason: null,
  project_id: null,
  issue_id: null,
  idempotency_key: null,
  arguments_sha256: null,
  ...known,
  agent_id: agent.id,
  owner_user_id: agent.owner_user_id,
  token_id: token?.id ?? null
})

/** What the trail calls a failure: refused by our rules is `denied`, else `failed` or `unknown`. */
export const outcomeOf = (failure: Failure): Outcome => {
  switch (failure.kind) {
    case "auth":
    case "grant":
    case "idempotency":
    case "duplicate":
    case "limit":
    case "pairing":
      return "denied"
    case "tasker":
      return failure.reason === "outcome_unknown" ? "unknown" : "failed"
    default:
      return "failed"
  }
}
