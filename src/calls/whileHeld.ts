import { Clock, Effect } from "effect"
import { TaskerFailure } from "../domain/Failure.ts"
import type { Lease } from "../domain/Operation.ts"
import { NotSent, type WriteFailed } from "../domain/WriteFailed.ts"

/** Lets one request of a write begin, or fails with `NotSent`. */
export type WhileHeld = <A>(sending: Effect.Effect<A, WriteFailed>) => Effect.Effect<A, WriteFailed>

/**
 * Begins a request only while its lease lasts. A process that stood still (a suspended machine, a stopped
 * container) goes on where it was, before any of its timers fires, and by then another holder may have sent.
 */
export const whileHeld =
  ({ sendUntil }: Lease): WhileHeld =>
  (sending) =>
    Effect.flatMap(Effect.all([Clock.monotonicTimeNanos, Clock.currentTimeMillis]), ([nanos, millis]) =>
      nanos > sendUntil.nanos || millis > sendUntil.millis ? Effect.fail(tooLate()) : sending
    )

const tooLate = (): NotSent =>
  new NotSent({
    failure: new TaskerFailure({
      reason: "unavailable",
      message:
        "The gateway stood still until its reservation of this write had ended, so it sent nothing. Repeat the same call with the same idempotency_key.",
      retryable: true,
      details: { retry_after_seconds: 1 }
    })
  })
