import { Context, type Effect, type Option } from "effect"
import type { AuditEvent } from "../domain/AuditEvent.ts"
import type {
  AuthFailure,
  GatewayUnavailable,
  GrantDenied,
  IdempotencyRefused,
  LimitReached
} from "../domain/Failure.ts"
import type { ProjectId } from "../domain/Ids.ts"
import type { Answer, Lease, Operation } from "../domain/Operation.ts"
import type { Principal, StandingGrant } from "../domain/Principal.ts"
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
  readonly requestId: string
}

export type Reservation = {
  readonly principal: Principal
  /** The grant that admits this write. */
  readonly grant: StandingGrant
} & (
  | {
      /** The key is ours: nobody else may send this write until the lease runs out. */ readonly _tag: "Reserved"
      readonly lease: Lease
    }
  | {
      /** The key stands for something already, perhaps only just. */ readonly _tag: "Taken"
      readonly operation: Operation
    }
)

/** Whether the outcome stands in the database. `LeaseLost`: somebody took over, and what we know no longer counts. */
export type Recorded = "Recorded" | "LeaseLost"

/**
 * The promise: one key of one agent is one write, whatever is retried, raced, crashed or restarted.
 *
 *                     reserve
 *        (no key) ───────────────► in_progress ──complete──► executed
 *            ▲                      │   ▲   │
 *            │◄──────release────────┘   │   └──doubt──► unknown
 *                                       └────claim────────┘
 *
 * - Nothing is sent to Tasker before its intent is committed (`reserve`), and an outcome is committed
 *   together with its audit event (`complete`, `release`, `doubt`): there is no instant at which one
 *   is in the database without the other.
 * - A reservation is a lease with a fencing number. A holder that is too slow, dead or cut off loses
 *   it by the database's clock; whoever claims it next raises the number, and the slow one can then
 *   write no outcome any more.
 * - `executed` is final: the answer is given to every later call with the key. A definite refusal
 *   frees the key. All else leaves it `unknown`, until someone claims and settles it.
 *
 * `docs/ARCHITECTURE.md` has the table of every crash point and what a later call finds.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Reserves a key, in one statement that also authenticates the token and checks the grant anew,
     * and counts the write against the grant's `max_writes_per_day`. Reserving is repeatable: the
     * same call after a lost reply finds its own reservation.
     */
    reserve(
      intent: Intent
    ): Effect.Effect<
      Reservation,
      AuthFailure | GrantDenied | IdempotencyRefused | LimitReached | GatewayUnavailable
    >
    /** Takes over a write that nobody knows the outcome of; none where another holds it or it was settled meanwhile. */
    claim(
      operation: Operation
    ): Effect.Effect<Option.Option<{ readonly lease: Lease; readonly write: Write }>, GatewayUnavailable>
    /** The write was done: keeps its answer for good, with the audit event. */
    complete(lease: Lease, answer: Answer, event: AuditEvent): Effect.Effect<Recorded, GatewayUnavailable>
    /** The write was definitely not done: frees the key, with the audit event. */
    release(lease: Lease, event: AuditEvent): Effect.Effect<Recorded, GatewayUnavailable>
    /** Nobody knows: keeps the key for the next call to settle, with the audit event. */
    doubt(lease: Lease, event: AuditEvent): Effect.Effect<Recorded, GatewayUnavailable>
  }
>()("tasker-codex-api/services/Idempotency") {}
