import { TaskerFailure } from "../domain/Failure.ts"

/** What a caller is told where Tasker did not say what became of a call. */

/** Nothing was sent yet: what the call depends on could not be had in time. */
export const tooSlow = (): TaskerFailure =>
  new TaskerFailure({
    reason: "timeout",
    message: "Tasker was too slow to answer. Nothing was changed; repeat the same call.",
    retryable: true
  })

export const outcomeUnknown = (because: string): TaskerFailure =>
  new TaskerFailure({
    reason: "outcome_unknown",
    message: `It is not known whether this change was made. ${because} Repeat the same call with the same idempotency_key: that settles it and never makes the change twice. If it stays unknown, stop and ask a person to look at the card.`,
    retryable: true,
    details: { retry_after_seconds: 2 }
  })

/** Repeating the call looks once more, but what was seen will not change by itself. */
export const unresolved = (because: string): TaskerFailure =>
  new TaskerFailure({
    reason: "outcome_unknown",
    message: `It is not known whether this change was made, and looking again will hardly tell. ${because} Don't make it again under another key: stop and ask a person to look at the card. The agent's owner can settle it.`,
    retryable: false
  })
