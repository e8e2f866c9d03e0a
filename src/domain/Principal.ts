import { Schema } from "effect"
import { AgentId, GrantId, ProjectId, TokenId, UserId } from "./Ids.ts"
import { Scope } from "./Scope.ts"

/** An instant as it goes over the wire: ISO 8601, UTC, milliseconds. */
export const Instant = Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/))

/** Whose agent it is. What it does in Tasker is done for this person and never beyond their rights. */
export const Agent = Schema.Struct({
  id: AgentId,
  owner_user_id: UserId,
  owner_email: Schema.String,
  display_name: Schema.String,
  status: Schema.Literals(["active", "disabled"]),
  /** Why it is disabled, where a rule did it (`domain/Suspension.ts`). */
  disabled_reason: Schema.NullOr(Schema.String),
  created_at: Instant,
  updated_at: Instant
}).annotate({ identifier: "Agent" })
export type Agent = typeof Agent.Type

/** What one agent may do in one project. */
export const Grant = Schema.Struct({
  id: GrantId,
  agent_id: AgentId,
  workspace_slug: Schema.String,
  project_id: ProjectId,
  scopes: Schema.Array(Scope),
  expires_at: Schema.NullOr(Instant),
  max_writes_per_day: Schema.NullOr(Schema.Int),
  created_at: Instant,
  updated_at: Instant,
  revoked_at: Schema.NullOr(Instant)
}).annotate({ identifier: "Grant" })
export type Grant = typeof Grant.Type

/**
 * A token as it is shown after it was issued: never the secret, never its hash. One of kind `oauth` is a
 * login: its access tokens come and go, what stands here holds for all of them.
 */
export const TokenInfo = Schema.Struct({
  id: TokenId,
  agent_id: AgentId,
  kind: Schema.Literals(["agent", "oauth"]),
  /** Of a login: what the program called itself. */
  name: Schema.String,
  /** Of a login: what it may use of that which the grants hold. Null: all. */
  scopes: Schema.NullOr(Schema.Array(Scope)),
  created_at: Instant,
  expires_at: Schema.NullOr(Instant),
  revoked_at: Schema.NullOr(Instant)
}).annotate({ identifier: "TokenInfo" })
export type TokenInfo = typeof TokenInfo.Type

/**
 * A grant as it stands at the moment of a call. Whether it has expired is the database's judgement,
 * since the clocks of several instances need not agree.
 */
export const StandingGrant = Schema.Struct({
  ...Grant.fields,
  expired: Schema.Boolean,
  writes_today: Schema.Int
})
export type StandingGrant = typeof StandingGrant.Type

/** Who is calling: the agent behind a token, and all that it is granted, expired grants included. */
export interface Principal {
  readonly agent: Agent
  readonly token: TokenInfo
  readonly grants: ReadonlyArray<StandingGrant>
}
