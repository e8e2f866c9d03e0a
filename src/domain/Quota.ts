import { LimitReached } from "./Failure.ts"

/** The refusal of a write past its grant's `max_writes_per_day`; `now` in milliseconds since the epoch. */
export const quotaReached = (now: number): LimitReached =>
  new LimitReached({
    reason: "quota",
    message:
      "This grant's writes for today (UTC) are used up; nothing was changed. Try again after midnight UTC, or ask the agent's owner to raise max_writes_per_day.",
    retryable: true,
    details: { retry_after_seconds: Math.ceil((day - (now % day)) / 1000) }
  })

/** A day in milliseconds, of which the epoch's first began at midnight UTC. */
const day = 86_400_000
