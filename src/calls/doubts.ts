import { Clock, Effect } from "effect"
import type { AuditEntry } from "../domain/AuditEvent.ts"
import { TaskerFailure } from "../domain/Failure.ts"
import type { DoubtFacts } from "../services/Idempotency.ts"

/** What a caller is told where Tasker did not say what became of a call. */

/** Nothing was sent yet: what the call depends on could not be had in time. */
export const tooSlow = (): TaskerFailure =>
  new TaskerFailure({
    reason: "timeout",
    message: "Tasker was too slow to answer. Nothing was changed; repeat the same call.",
    retryable: true
  })

export const outcomeUnknown = (because: string, retryAfterSeconds = 2): TaskerFailure =>
  new TaskerFailure({
    reason: "outcome_unknown",
    message: `It is not known whether this change was made. ${because} Repeat the same call with the same idempotency_key: that settles it and never makes the change twice. If it stays unknown, stop and ask a person to look at the card.`,
    retryable: true,
    details: { retry_after_seconds: Math.max(1, retryAfterSeconds) }
  })

/** Repeating the call looks once more, but what was seen will not change by itself. */
export const unresolved = (because: string): TaskerFailure =>
  new TaskerFailure({
    reason: "outcome_unknown",
    message: `It is not known whether this change was made, and looking again will hardly tell. ${because} Don't make it again under another key: stop and ask a person to look at the card. The agent's owner can settle it.`,
    retryable: false
  })

/** What the database keeps of a doubted write's sendings, in its own time. */
export const doubtFacts = (settled: {
  readonly sentAt?: bigint
  readonly millis?: number
  readonly moved?: boolean
}): Effect.Effect<DoubtFacts> =>
  Effect.map(Clock.monotonicTimeNanos, (now) => ({
    sentMillisAgo: settled.sentAt === undefined ? undefined : Number(now - settled.sentAt) / 1e6,
    waitMillis: settled.millis ?? 0,
    resentMoved: settled.moved === true
  }))

/** Part of the event that tells a double: the write's own event stays the only `executed` one of its key. */
export const doubledEntry = {
  action: "write.doubled",
  outcome: "failed",
  reason: null
} as const satisfies Partial<AuditEntry>
