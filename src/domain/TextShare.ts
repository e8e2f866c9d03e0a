import { LimitReached } from "./Failure.ts"

/** How much of the texts' CPU time one agent may use, on one instance. */

/** CPU time that an agent has in a minute, in milliseconds; it comes back evenly. */
export const shareMillis = 20_000
export const shareWindowSeconds = 60

/** An agent that used more than this of its share has its texts converted behind those of others. */
export const lightMillis = 1000

/** CPU time that one conversion may take, in milliseconds. */
export const longestMillis = 1000

/** Conversions of one agent that may wait. */
export const mostWaiting = 100

/** The refusal of a conversion beyond the agent's CPU time. */
export const shareUsed = (retryAfterSeconds: number): LimitReached =>
  new LimitReached({
    reason: "rate",
    message: `This agent used its ${shareMillis / 1000} s of CPU time for texts in a minute; nothing was changed. Repeat the same call in ${retryAfterSeconds} s, with shorter texts if you can.`,
    retryable: true,
    details: {
      limit: {
        policy: "text_seconds",
        quota: shareMillis / 1000,
        window_seconds: shareWindowSeconds,
        remaining: 0
      },
      retry_after_seconds: retryAfterSeconds
    }
  })

/** The refusal of a conversion that would wait too long. */
export const tooManyTexts = (retryAfterSeconds: number): LimitReached =>
  new LimitReached({
    reason: "rate",
    message: `Too many texts are waiting to be converted; nothing was changed. Repeat the same call in ${retryAfterSeconds} s.`,
    retryable: true,
    details: {
      limit: { policy: "texts_waiting", quota: mostWaiting, window_seconds: 1, remaining: 0 },
      retry_after_seconds: retryAfterSeconds
    }
  })
