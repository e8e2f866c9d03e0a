import type { CallFailure } from "./Failure.ts"

/**
 * When an agent is disabled by itself, counted over ten minutes on all instances:
 *
 * 1. after `SUSPEND_AFTER_DENIALS` denials (100): calls beyond its grants, keys reused for other writes,
 *    cards made again, a day's quota overrun;
 * 2. after a quarter as many refusals (25) of one and the same write, whatever it is refused for.
 *
 * Neither counts what an honest agent runs into by doing as it is told: a rate, a key that is under way,
 * a Tasker that is out, whatever is worth repeating; nor that the owner lost their own seat; nor the use
 * of a dead token, which anyone may hold who found it.
 */

export const suspensionMinutes = 10

export const mostRefusals = (mostDenials: number): number => Math.ceil(mostDenials / 4)

/** What of a failure counts: as a denial, as a refusal of its write, as both or as nothing. */
export const weigh = (failure: CallFailure): { readonly denial: boolean; readonly refusal: boolean } => {
  switch (failure.kind) {
    case "auth":
    case "gateway":
      return { denial: false, refusal: false }
    case "grant": {
      const counts = failure.reason !== "owner_not_member"
      return { denial: counts, refusal: counts }
    }
    case "limit":
      return { denial: failure.reason === "quota", refusal: false }
    case "idempotency":
      return {
        denial: !failure.retryable && failure.reason !== "key_missing",
        refusal: !failure.retryable
      }
    case "duplicate":
      return { denial: !failure.retryable, refusal: !failure.retryable }
    case "input":
      return { denial: false, refusal: true }
    case "tasker":
      return { denial: false, refusal: !failure.retryable && aboutTheWrite.has(failure.reason) }
  }
}

/** Of what Tasker refuses; that it does not let the gateway in, or lacks a call, is not the agent's doing. */
const aboutTheWrite: ReadonlySet<string> = new Set(["rejected", "not_found", "conflict", "outcome_unknown"])

export const tooManyDenials = (denials: number, code: string, action: string): string =>
  `${denials} denials within ${suspensionMinutes} minutes, the last of them ${code} to ${action}`

export const sameRefused = (refusals: number, code: string, action: string): string =>
  `the same ${action} refused ${refusals} times within ${suspensionMinutes} minutes, the last time as ${code}`
