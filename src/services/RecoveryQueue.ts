import { Context, type Duration, type Effect } from "effect"
import type { AuditEvent } from "../domain/AuditEvent.ts"
import type { Change } from "../domain/Change.ts"
import type { ClientClaims } from "../domain/ClientClaims.ts"
import type { GatewayUnavailable } from "../domain/Failure.ts"
import type { TokenId } from "../domain/Ids.ts"
import type { Warning } from "../domain/Issue.ts"
import type { Lease, Operation, Tries } from "../domain/Operation.ts"
import type { Agent, StandingGrant } from "../domain/Principal.ts"
import type { Write } from "../domain/Write.ts"
import type { DoubtFacts } from "./Idempotency.ts"

/** A write that nobody knows the outcome of, taken to be settled, with its agent and grants as they stand now. */
export interface Due {
  readonly operation: Pick<Operation, "id" | "key" | "tool" | "project_id" | "fingerprint">
  readonly lease: Lease
  readonly write: Write
  /** How what it changes stood before. */
  readonly before: Change["before"]
  /** What the client of the call that reserved it says of itself. */
  readonly client: ClientClaims | null
  readonly agent: Agent
  readonly grants: ReadonlyArray<StandingGrant>
  /** The token that it was asked for with. */
  readonly tokenId: TokenId
  /** True if that token was revoked, or that login ended. One that only expired since still stands for its writes. */
  readonly isTokenRevoked: boolean
  readonly requestId: string
  /** How often recovery looked in vain while Tasker was there to be asked. */
  readonly looks: number
  readonly tries: Tries
  /** The workspace of the grant under which it was reserved. */
  readonly workspaceSlug: string
}

/** An executed create or comment that a resend made, due to be looked at once more for a double. */
export interface Check {
  readonly operation: Pick<Operation, "id" | "key" | "tool" | "project_id" | "fingerprint" | "issue_id">
  readonly upstreamKey: string
  /** True if it is a comment's. */
  readonly isComment: boolean
  readonly agent: Agent
  readonly tokenId: TokenId
  readonly requestId: string
  readonly client: ClientClaims | null
  readonly workspaceSlug: string
  /** Milliseconds since it was settled. */
  readonly age: number
}

export type CheckResult =
  | { readonly _tag: "Single" }
  | { readonly _tag: "Doubled"; readonly warning: Warning; readonly event: AuditEvent }
  | { readonly _tag: "Later"; readonly after: Duration.Duration }
  | { readonly _tag: "GivenUp" }

/**
 * What waits to be settled without its caller: writes whose lease ran out, and writes in doubt whose
 * next look is due. Every instance takes from it and no two take the same.
 */
export class RecoveryQueue extends Context.Service<
  RecoveryQueue,
  {
    /** Takes over up to `most` writes that are due, the longest due first, each under a lease of its own. */
    take(most: number): Effect.Effect<ReadonlyArray<Due>, GatewayUnavailable>
    /** Puts one back that could not be settled now. `looked`: Tasker was there to be asked, so that it counts. */
    putBack(
      lease: Lease,
      again: {
        readonly after: Duration.Duration
        readonly looked: boolean
        readonly because: string
      } & Pick<DoubtFacts, "sentMillisAgo" | "resentMoved">
    ): Effect.Effect<void, GatewayUnavailable>
    /** Takes looks for doubles that are due. Each is due again after a lease, unless it is ended. */
    takeChecks(most: number): Effect.Effect<ReadonlyArray<Check>, GatewayUnavailable>
    /** Ends a look for a double. A double found is told once: its warning and event are kept together. */
    endCheck(check: Check, result: CheckResult): Effect.Effect<void, GatewayUnavailable>
  }
>()("tasker-codex-api/services/RecoveryQueue") {}
