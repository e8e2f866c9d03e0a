import { Context, type Effect, type Option } from "effect"
import type { AuditEvent } from "../domain/AuditEvent.ts"
import type { Change } from "../domain/Change.ts"
import type { ClientClaims } from "../domain/ClientClaims.ts"
import type {
  AuthFailure,
  DuplicateRefused,
  GatewayUnavailable,
  GrantDenied,
  IdempotencyRefused,
  LimitReached
} from "../domain/Failure.ts"
import type { AgentId, IssueId, ProjectId } from "../domain/Ids.ts"
import type { Answer, KeyHolder, Lease, Operation, Tries } from "../domain/Operation.ts"
import type { Principal, StandingGrant } from "../domain/Principal.ts"
import type { MadeBefore } from "../domain/Repetition.ts"
import type { Scope } from "../domain/Scope.ts"
import type { Token } from "../domain/Token.ts"
import type { Write } from "../domain/Write.ts"

/** What a write asks to reserve: everything that recovery needs to settle it without its caller. */
export interface Intent {
  readonly token: Token
  readonly scope: Scope
  readonly key: string
  readonly tool: string
  readonly projectId: ProjectId
  readonly fingerprint: string
  readonly write: Write
  /** How the fields that it changes stood when it was planned, as `calls/keptChange.ts` keeps them. */
  readonly before: Change["before"]
  readonly requestId: string
  /** What its client says of itself. */
  readonly client: ClientClaims | undefined
  /** Whether the call was counted against its agent's rate before; else the reservation counts it. */
  readonly counted: boolean
  /** What tells a repetition in other words; undefined where the tool minds none. */
  readonly repetition: Repetition | undefined
}

/** What a card is known by when it is made again under another key. */
export interface Repetition {
  readonly titleHash: Uint8Array
  /** Whether its caller says that a second one is intended. */
  readonly allowed: boolean
}

export type Reservation = {
  readonly principal: Principal
  /** The grant that admits this write. */
  readonly grant: StandingGrant
} & (
  | {
      /** The key is ours: nobody else may send this write until the lease runs out. */ readonly _tag: "Reserved"
      readonly lease: Lease
      readonly tries: Tries
    }
  | {
      /** The key stands for something already, perhaps only just. */ readonly _tag: "Taken"
      readonly operation: KeyHolder
    }
)

/** A write that is ours to settle. */
export interface Leased {
  readonly lease: Lease
  readonly write: Write
  /** How what it changes stood before; null where it makes something anew, or nobody kept it. */
  readonly before: Change["before"]
  readonly tries: Tries
}

/** Facts about a doubt that decide when the write is looked at and sent again. */
export interface DoubtFacts {
  /** Milliseconds since this holder can have sent it last; undefined if it sent nothing. */
  readonly sentMillisAgo: number | undefined
  /** Milliseconds before which another look would find nothing out; 0 if there are none. */
  readonly waitMillis: number
  /** True if it is a change that was or may have been sent again after its card's `updated_at` had moved. */
  readonly resentMoved: boolean
}

/** More about a write that was executed. */
export interface Execution {
  /** True if a resend made it, so that it is looked at again for a double. */
  readonly checkLater: boolean
  /** The event `write.doubled`, if a double was found already. */
  readonly doubled: AuditEvent | undefined
}

/** Whether the outcome stands in the database. `LeaseLost`: somebody took over, and what we know no longer counts. */
export type Recorded = "Recorded" | "LeaseLost"

/** Where a key goes whose outcome nobody knows: to be looked at again, or to its owner. */
export type Doubt = "look again" | "unresolved"

/**
 * The promise: one key of one agent is one write, whatever is retried, raced, crashed or restarted.
 *
 *                     reserve
 *        (no key) ───────────────► in_progress ──complete──► executed ──(72 h)──► executed, without its answer
 *            ▲                      │   ▲   │
 *            │◄──release─ ─refute───┘   │   └──doubt──► unknown | unresolved
 *                                       └────claim──────────────┘
 *
 * - Nothing is sent to Tasker before its intent is committed (`reserve`), and an outcome is committed
 *   together with its audit event (`complete`, `release`, `refute`, `doubt`): there is no instant at
 *   which one is in the database without the other.
 * - A reservation is a lease with a fencing number. A holder that is too slow, dead or cut off loses
 *   it by the database's clock; whoever claims it next raises the number, and the slow one can then
 *   write no outcome any more.
 * - `executed` is final: the answer is given to every later call with the key for as long as it is
 *   kept, and the key is never carried out again. A definite refusal frees the key. All else leaves it
 *   `unknown`, until recovery (`RecoveryQueue`) or a call claims and settles it, or `unresolved`, where
 *   looking again would not help: then its owner decides (`Operations`), or a call that finds out.
 *
 * `docs/RELIABILITY.md` says what it rests on and how it is tested.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Reserves a key, in one statement that also authenticates the token and checks the grant anew,
     * counts the write against its agent's rate and the grant's `max_writes_per_day`, and takes its
     * title. Reserving is repeatable: the same call after a lost reply finds its own reservation.
     */
    reserve(
      intent: Intent
    ): Effect.Effect<
      Reservation,
      AuthFailure | GrantDenied | IdempotencyRefused | DuplicateRefused | LimitReached | GatewayUnavailable
    >
    /** The card by which `reserve` would refuse this as a repetition; null while that one is under way. */
    duplicateOf(
      agentId: AgentId,
      projectId: ProjectId,
      repetition: Repetition
    ): Effect.Effect<Option.Option<MadeBefore | null>, GatewayUnavailable>
    /** Takes over a write that nobody knows the outcome of; none where another holds it or it was settled meanwhile. */
    claim(operation: Operation): Effect.Effect<Option.Option<Leased>, GatewayUnavailable>
    /** The write was done: keeps its answer and its change, where that is known, with the audit event. */
    complete(
      lease: Lease,
      answer: Answer,
      event: AuditEvent,
      change: Change | undefined,
      execution: Execution
    ): Effect.Effect<Recorded, GatewayUnavailable>
    /** The write was definitely not done, which its caller is told: frees the key, with the audit event. */
    release(lease: Lease, event: AuditEvent): Effect.Effect<Recorded, GatewayUnavailable>
    /** The same where no caller is there to be told: frees the key and keeps what came of it. */
    refute(lease: Lease, because: string, event: AuditEvent): Effect.Effect<Recorded, GatewayUnavailable>
    /** Nobody knows: keeps the key, with the audit event. */
    doubt(
      lease: Lease,
      doubt: Doubt,
      because: string,
      event: AuditEvent,
      times: DoubtFacts
    ): Effect.Effect<Recorded, GatewayUnavailable>
    /** The version with which a kept answer showed this agent the card at this `updated_at`. */
    versionAnswered(
      agentId: AgentId,
      issueId: IssueId,
      updatedAt: string
    ): Effect.Effect<Option.Option<string>, GatewayUnavailable>
  }
>()("tasker-codex-api/services/Idempotency") {}
