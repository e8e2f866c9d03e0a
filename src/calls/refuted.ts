import { Effect } from "effect"
import { GrantDenied, RequestRefused, TaskerFailure } from "../domain/Failure.ts"
import type { Look } from "../domain/Tasker.ts"
import type { Undecided } from "../services/Operations.ts"
import type { OnBehalf, TaskerError } from "../services/TaskerAdapter.ts"
import type { BoardServices } from "../tools/Board.ts"
import { holds } from "./unmet.ts"

/** What Tasker shows of a write whose owner says that it was not made. */
type Shown =
  | { readonly _tag: "Nothing" }
  /** `isProof`: only this write can have made it. */
  | {
      readonly _tag: "Made"
      readonly what: string
      readonly thing: Readonly<Record<string, string>>
      readonly isProof: boolean
    }
  | { readonly _tag: "Unseen"; readonly because: string }

/**
 * Checks in Tasker that a write was not made. `force` decides it where Tasker can't show it, or where another
 * hand may have made what it shows, but never against proof.
 */
export const refuted = Effect.fnUntraced(function* (
  services: BoardServices,
  who: OnBehalf,
  undecided: Undecided,
  force: boolean
): Effect.fn.Return<{ readonly forced: boolean }, TaskerError | RequestRefused> {
  const look = shown(services, who, undecided)
  const seen = yield* force
    ? Effect.catch(look, (failure) => Effect.succeed<Shown>({ _tag: "Unseen", because: failure.message }))
    : Effect.mapError(look, notLooked)
  switch (seen._tag) {
    case "Nothing":
      return { forced: false }
    case "Made":
      return seen.isProof || !force ? yield* wasMade(seen) : { forced: true }
    case "Unseen":
      return force ? { forced: true } : yield* notSeen(seen.because)
  }
})

const shown = (
  { tasker, texts }: BoardServices,
  who: OnBehalf,
  { reused, upstreamKey: external_id, write }: Undecided
): Effect.Effect<Shown, TaskerError> => {
  const { project_id } = write
  // Under a key that was used before, an earlier write may have made it.
  const isProof = !reused
  switch (write._tag) {
    case "CreateIssue":
      return Effect.map(
        tasker.findIssue(who, { project_id, external_id }),
        ofLook(({ id }) => ({
          _tag: "Made",
          what: `Tasker has card ${id} under the key of this write.`,
          thing: { issue_id: id },
          isProof
        }))
      )
    case "AddComment": {
      const { issue_id } = write
      return Effect.map(
        tasker.findComment(who, { project_id, issue_id, external_id }),
        ofLook(({ id }) => ({
          _tag: "Made",
          what: `Tasker has comment ${id} on card ${issue_id} under the key of this write.`,
          thing: { issue_id, comment_id: id },
          isProof
        }))
      )
    }
    default:
      return Effect.gen(function* () {
        const card = yield* tasker.issue(who, { project_id, issue_id: write.issue_id })
        if (card === undefined) return { _tag: "Unseen", because: "Tasker does not show the card any more." }
        return (yield* holds(write, card, texts.owed(who.agent.id)))
          ? {
              _tag: "Made",
              what: `Card ${card.id} stands in Tasker as this write asked.`,
              thing: { issue_id: card.id },
              isProof: false
            }
          : { _tag: "Nothing" }
      })
  }
}

const ofLook =
  <A>(made: (found: A) => Shown) =>
  (look: Look<A>): Shown => {
    switch (look._tag) {
      case "Found":
        return made(look.value)
      case "Absent":
        return { _tag: "Nothing" }
      case "Unsupported":
        return { _tag: "Unseen", because: "This Tasker can't show what a write made." }
      default:
        return { _tag: "Unseen", because: look.because }
    }
  }

const wasMade = ({ isProof, thing, what }: Extract<Shown, { readonly _tag: "Made" }>): RequestRefused =>
  new RequestRefused({
    reason: "conflict",
    message: `${what} Nothing was changed. Settle the operation as executed${isProof ? "." : ", or pass `force: true` if another hand made it so."}`,
    details: thing
  })

const ifKnown = "Settle it later, or pass `force: true` if you know that it was not made."

const notSeen = (because: string): RequestRefused =>
  new RequestRefused({
    reason: "conflict",
    message: `It can't be seen in Tasker whether this write was made. ${because} Nothing was changed. ${ifKnown}`,
    retryable: true,
    details: { retry_after_seconds: 10 }
  })

const notLooked = (failure: TaskerError): TaskerError => {
  const { details, message, retryable } = failure
  const told = { message: `${message} ${ifKnown}`, retryable, details }
  return failure._tag === "TaskerFailure"
    ? new TaskerFailure({ ...told, reason: failure.reason })
    : new GrantDenied({ ...told, reason: failure.reason })
}
