import { LimitReached } from "./Failure.ts"
import type { Principal } from "./Principal.ts"

/**
 * Calls are counted as one of two classes, each with a limit of its own. A dry run counts as a read, and so does a
 * call that is answered by its key: one whose write was executed, or is being executed by another call.
 */
export type CallClass = "reads" | "writes"

/** The span that a rate is counted over: a minute of the database's clock, the same for every instance. */
export const rateWindowSeconds = 60

/** The refusal of a call past its agent's rate. */
export const rateReached = (
  policy: CallClass,
  quota: number,
  resetsInSeconds: number,
  holder?: Principal
): LimitReached => {
  const seconds = Math.max(1, resetsInSeconds)
  return new LimitReached({
    reason: "rate",
    message: `This agent made its ${quota} ${policy} of this minute; nothing was done. Repeat the same call in ${seconds} s.`,
    retryable: true,
    ...(holder === undefined ? {} : { holder }),
    details: {
      limit: { policy, quota, window_seconds: rateWindowSeconds, remaining: 0 },
      retry_after_seconds: seconds
    }
  })
}
