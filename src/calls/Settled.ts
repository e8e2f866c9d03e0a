import type { Effect } from "effect"
import type { GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import type { Tries } from "../domain/Operation.ts"
import type { Copies } from "../domain/Tasker.ts"
import type { Write, Written } from "../domain/Write.ts"
import type { Ambiguous, WriteFailed } from "../domain/WriteFailed.ts"
import type { Existing, OnBehalf, TaskerAdapter, TaskerError } from "../services/TaskerAdapter.ts"
import type { AgentTexts } from "../services/Texts.ts"
import type { WhileHeld } from "./whileHeld.ts"

/**
 * The result of settling a write. `Done` only if Tasker shows that it is what was asked, `NotDone` only if
 * Tasker says so. Everything else keeps the key.
 */
export type Settled =
  | Done
  | { readonly _tag: "NotDone"; readonly failure: TaskerFailure | GrantDenied }
  /** A later look may tell. `asked`: Tasker answered, so the look counts. */
  | ({ readonly _tag: "Undecided"; readonly because: string; readonly asked: boolean } & Sent)
  /** An earlier request may still be executed; nothing is sent before `millis` have passed. */
  | ({ readonly _tag: "Waiting"; readonly because: string; readonly millis: number } & Sent)
  /** Another look will not tell more: the owner decides. */
  | ({ readonly _tag: "Unresolvable"; readonly because: string } & Sent)

export interface Done {
  readonly _tag: "Done"
  readonly written: Written
  /** True if the result was found in Tasker, not answered: somebody may have changed it since. */
  readonly found: boolean
  /**
   * `making`: a create or comment was or may have been sent again, so a second look for a double is due. `moved`: a
   * change was or may have been sent again after `updated_at` had moved.
   */
  readonly resent: "making" | "moved" | undefined
  /** More than one thing under the write's `external_id`. */
  readonly copies: Copies | undefined
}

interface Sent {
  /** Latest moment at which this holder of the lease can have sent it: monotonic, nanoseconds. */
  readonly sentAt?: bigint
  /** True if a change was or may have been sent again after its card's `updated_at` had moved. */
  readonly moved?: boolean
}

/** One write on its way: on whose account Tasker is asked, and how the write is sent. */
export interface Settling {
  readonly tasker: TaskerAdapter["Service"]
  readonly who: OnBehalf
  /** Known to Tasker as `Idempotency-Key` and `external_id`. */
  readonly key: string
  /** Undefined if its agent is no longer allowed to make it: then it is only looked at. */
  readonly send: Send | undefined
  readonly tries: Tries
  /** Around every request that changes something. `send` has it already. */
  readonly held: WhileHeld
  readonly texts: AgentTexts<never>
}

export interface Sending extends Settling {
  readonly send: Send
}

export type Send = (write: Write) => Effect.Effect<Written | Existing, WriteFailed>

export const done = (written: Written, more: Partial<Omit<Done, "_tag" | "written">> = {}): Done => ({
  _tag: "Done",
  written,
  found: false,
  resent: undefined,
  copies: undefined,
  ...more
})

export const notDone = (failure: TaskerError): Settled => ({ _tag: "NotDone", failure })

export const unresolvable = (because: string): Settled => ({ _tag: "Unresolvable", because })

export const lookedInVain = (because: string): Settled => ({ _tag: "Undecided", because, asked: true })

export const inDoubt = ({ failure, sentAt }: Ambiguous): Settled => ({
  _tag: "Undecided",
  because: failure.message,
  asked: true,
  sentAt
})

/** The write could not be sent or settled in the time there was. */
export const outOfTime = (now: bigint): Settled => ({
  _tag: "Undecided",
  because: "Tasker did not answer in time.",
  asked: true,
  sentAt: now,
  moved: true
})
