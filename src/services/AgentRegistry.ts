import { Context, type Effect } from "effect"
import type {
  Failure,
  GatewayUnavailable,
  IdempotencyRefused,
  InputInvalid,
  RequestRefused
} from "../domain/Failure.ts"
import type { AgentId, GrantId, ProjectId, TokenId, UserId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type { Agent, Grant, StandingGrant, TokenInfo } from "../domain/Principal.ts"
import type { Scope } from "../domain/Scope.ts"
import type { Token } from "../domain/Token.ts"

/** Whose agents there are for whoever asks: one owner's, or with none named, all. */
export type Reach = UserId | undefined

/** On what occasion something is changed. */
export interface Act {
  readonly reach: Reach
  readonly requestId: string
  /** The request's idempotency key, and the path for which it stands. */
  readonly key: { readonly path: string; readonly value: string } | undefined
}

/** An agent with all that it was ever granted and issued, newest first. */
export interface AgentDetail {
  readonly agent: Agent
  readonly grants: ReadonlyArray<Grant>
  readonly tokens: ReadonlyArray<TokenInfo>
}

export interface GrantTerms {
  readonly workspace_slug: string
  readonly project_id: ProjectId
  readonly scopes: ReadonlyArray<Scope>
  readonly expires_at: string | null
  readonly max_writes_per_day: number | null
}

/** Where the agent, grant or token is not within reach: `request.not_found`, as for one that never was. */
export type Missing = RequestRefused | GatewayUnavailable

/** What an act may fail with: see `AgentRegistry`. */
export type ActFailure = Missing | IdempotencyRefused | InputInvalid

/**
 * Agents, their grants and their tokens: the lifecycle that operators and owners rule.
 *
 * - An act and its audit event are one transaction, and so is its idempotency key: there is never one
 *   without the others.
 * - The same key on the same path within a day answers the resource that it made, as it stands by
 *   then; with another request it is `idempotency.key_reused`. A token's secret can't be shown again,
 *   so there it is `idempotency.already_created` with the `token_info`. Failures use no key up.
 * - What changes nothing (revoking what is revoked, disabling what is disabled) succeeds and leaves
 *   no event. Nothing is ever removed.
 * - A revocation or a disabling holds from the next call on, on every instance.
 */
export class AgentRegistry extends Context.Service<
  AgentRegistry,
  {
    createAgent(
      act: Act,
      agent: Pick<Agent, "owner_user_id" | "owner_email" | "display_name">
    ): Effect.Effect<Agent, ActFailure>
    /** Changes what is given. A disabled agent's tokens stop at once; its grants stay. */
    updateAgent(
      act: Act,
      id: AgentId,
      change: { readonly display_name?: string; readonly status?: Agent["status"] }
    ): Effect.Effect<Agent, ActFailure>
    /** Disables all of an owner's agents, and says how many were not disabled before. */
    disableAgents(act: Act, owner: UserId): Effect.Effect<number, GatewayUnavailable>
    /** Newest first, as are all lists here. */
    listAgents(reach: Reach, page: PageRequest): Effect.Effect<Page<Agent>, InputInvalid | GatewayUnavailable>
    getAgent(reach: Reach, id: AgentId): Effect.Effect<AgentDetail, Missing>
    /** The agent with its grants as they stand now, expired ones included, revoked ones not. */
    standing(
      reach: Reach,
      id: AgentId
    ): Effect.Effect<{ readonly agent: Agent; readonly grants: ReadonlyArray<StandingGrant> }, Missing>

    /** Grants a project, or gives the live grant on it, under the same id, new terms. */
    grant(act: Act, agentId: AgentId, terms: GrantTerms): Effect.Effect<Grant, ActFailure>
    revokeGrant(act: Act, agentId: AgentId, id: GrantId): Effect.Effect<Grant, ActFailure>
    listGrants(
      reach: Reach,
      agentId: AgentId,
      page: PageRequest
    ): Effect.Effect<Page<Grant>, Missing | InputInvalid>

    /** Issues a token. This is the one time that its secret is seen. */
    issueToken(
      act: Act,
      agentId: AgentId,
      request: { readonly name: string; readonly expires_at: string | null }
    ): Effect.Effect<{ readonly token: Token; readonly info: TokenInfo }, ActFailure>
    revokeToken(act: Act, agentId: AgentId, id: TokenId): Effect.Effect<TokenInfo, ActFailure>
    listTokens(
      reach: Reach,
      agentId: AgentId,
      page: PageRequest
    ): Effect.Effect<Page<TokenInfo>, Missing | InputInvalid>

    /** Puts an act that failed into the audit trail, where the agent that it was about is within reach. */
    recordFailure(
      act: Act,
      action: string,
      agentId: AgentId,
      failure: Failure
    ): Effect.Effect<void, GatewayUnavailable>
  }
>()("tasker-codex-api/services/AgentRegistry") {}
