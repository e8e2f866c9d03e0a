import { Data } from "effect"
import type { GrantDenied, TaskerFailure } from "./Failure.ts"

/**
 * Why a write to Tasker has no result. The tag is the evidence: only `NotSent` and `Refused` say that Tasker
 * changed nothing, and only the adapter that saw the bytes may make them, or `whileHeld`, which gives it none. Everything else is `Ambiguous`.
 */

/** No byte of the request left the gateway. */
export class NotSent extends Data.TaggedError("NotSent")<{
  readonly failure: TaskerFailure | GrantDenied
}> {}

/** Tasker's own error document says that it did not execute the request. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly failure: TaskerFailure | GrantDenied
}> {}

/** Tasker may have executed the request, or may still do so. */
export class Ambiguous extends Data.TaggedError("Ambiguous")<{
  readonly failure: TaskerFailure
  /** Latest moment at which the request can have been sent: monotonic clock, nanoseconds. */
  readonly sentAt: bigint
  /** True if Tasker answered without saying if it executed the request: it will not do so later. */
  readonly isOver?: boolean
}> {}

export type WriteFailed = NotSent | Refused | Ambiguous
