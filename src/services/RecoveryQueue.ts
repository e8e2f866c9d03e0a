import { Context, type Duration, type Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { ClientClaims } from "../domain/ClientClaims.ts"
import type { GatewayUnavailable } from "../domain/Failure.ts"
import type { TokenId } from "../domain/Ids.ts"
import type { Lease, Operation } from "../domain/Operation.ts"
import type { Agent, StandingGrant } from "../domain/Principal.ts"
import type { Write } from "../domain/Write.ts"

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
  readonly requestId: string
  /** How often recovery looked in vain while Tasker was there to be asked. */
  readonly looks: number
}

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
      again: { readonly after: Duration.Duration; readonly looked: boolean; readonly because: string }
    ): Effect.Effect<void, GatewayUnavailable>
  }
>()("tasker-codex-api/services/RecoveryQueue") {}
