import { Context, type Effect } from "effect"
import type { AuditEvent } from "../domain/AuditEvent.ts"
import type { Change } from "../domain/Change.ts"
import type { Decision } from "../domain/Decision.ts"
import type {
  Failure,
  GatewayUnavailable,
  IdempotencyRefused,
  InputInvalid,
  RequestRefused
} from "../domain/Failure.ts"
import type { AgentId, IssueId, OperationId } from "../domain/Ids.ts"
import type { Answer } from "../domain/Operation.ts"
import type { OpenStatus, OperationShown } from "../domain/OperationShown.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type { Agent } from "../domain/Principal.ts"
import type { Write } from "../domain/Write.ts"
import type { Act, Missing, Reach } from "./AgentRegistry.ts"

/** A write with all that its key came to. */
export interface OperationDetail {
  readonly operation: OperationShown
  /** The audit events of its agent and key, oldest first: the latest of them, where there are very many. */
  readonly history: ReadonlyArray<AuditEvent>
  /** Whether earlier events were left out. */
  readonly truncated: boolean
}

/** A write that waits for a decision. */
export interface Undecided {
  readonly agent: Agent
  readonly write: Write
  /** How what it changes stood before. */
  readonly before: Change["before"]
  /** The workspace of the grant under which it was reserved. */
  readonly workspaceSlug: string
  /** Known to Tasker as `Idempotency-Key` and `external_id`. */
  readonly upstreamKey: string
  /** True if the key was used before for a write that was not executed, and released. */
  readonly reused: boolean
}

/** What a decision comes to, once the card that it names was read. */
export type Settlement =
  | {
      readonly outcome: "not_executed"
      /** True if its owner decided so although Tasker did not show that nothing was made. */
      readonly forced: boolean
    }
  | {
      readonly outcome: "executed"
      /** What every later call with the key is given. */
      readonly answer: Answer
      /** What it changed, as far as the card says so now. */
      readonly change: Change | undefined
      readonly issueId: IssueId | null
    }

/**
 * Writes as people see and settle them. What `Idempotency` leaves in doubt ends here, where neither
 * recovery nor a call with the key finds out.
 *
 * - A decision is final, for the row and for its caller: what it makes `executed` is replayed to every
 *   later call with the key and never sent again; what it makes `not_executed` frees the key, which can be
 *   reserved again only if no earlier request can still arrive.
 * - It holds only over what is in doubt. The row is locked, and what is under way is not touched; after
 *   it a holder of an earlier lease can write no outcome any more.
 * - The decision, its administrative act (`operation.settled`) and the write's own audit event are one
 *   transaction. The same decision again is answered as it stands and leaves no event.
 * - What is not within reach is `request.not_found`, as what never was.
 */
export class Operations extends Context.Service<
  Operations,
  {
    /** What is still to be settled, newest first; of one agent, or with a status, only that. */
    list(
      reach: Reach,
      request: PageRequest & {
        readonly status: OpenStatus | undefined
        readonly agentId: AgentId | undefined
      }
    ): Effect.Effect<Page<OperationShown>, Missing | InputInvalid>
    get(reach: Reach, id: OperationId): Effect.Effect<OperationDetail, Missing>
    /**
     * The write behind an agent's key: the one that stands, else the last that turned out not to be made. Fails
     * with `idempotency.key_expired` if only the key is kept.
     */
    ofKey(
      agentId: AgentId,
      key: string
    ): Effect.Effect<OperationShown, RequestRefused | IdempotencyRefused | GatewayUnavailable>
    /**
     * What a decision is about; the operation where it stands as decided already. Fails with
     * `request.conflict` where it is under way, or settled otherwise.
     */
    toDecide(
      reach: Reach,
      id: OperationId,
      decision: Decision
    ): Effect.Effect<
      | { readonly _tag: "Undecided"; readonly undecided: Undecided }
      | { readonly _tag: "Standing"; readonly operation: OperationShown },
      Missing
    >
    /**
     * Settles it, if it is still in doubt. A card that another write of the agent made already is
     * `input.invalid`: two writes are never one card.
     */
    settle(
      act: Act,
      id: OperationId,
      decision: Decision,
      settlement: Settlement
    ): Effect.Effect<OperationShown, Missing | InputInvalid>
    /** Puts a decision that failed into the audit trail, where the operation is within reach. */
    recordFailure(
      act: Act,
      action: string,
      id: OperationId,
      failure: Failure
    ): Effect.Effect<void, GatewayUnavailable>
  }
>()("tasker-codex-api/services/Operations") {}
