import { Effect } from "effect"
import { CommentId, IssueId } from "../domain/Ids.ts"
import { isChange, type Write, type Written } from "../domain/Write.ts"
import type { Ambiguous, WriteFailed } from "../domain/WriteFailed.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import { doneIfOwnCard, doneIfOwnComment, findNamedCard, findNamedComment } from "./adopt.ts"
import { inDoubt, notDone, type Sending, type Settled, type Settling, unresolvable } from "./Settled.ts"
import { sendChange, settleChange } from "./settleChange.ts"
import { refusedIfAbsent, sendAgain, settleComment, settleCreate } from "./settleMaking.ts"

/** Sends a write that Tasker has not seen under this key, and settles it by the response. */
export const attempt = (write: Write, sending: Sending): Effect.Effect<Settled> =>
  isChange(write) ? sendChange(write, sending) : sendMaking(write, sending)

/** Settles a write that was or may have been sent: looks first, then sends again if that is safe. */
export const settle = (write: Write, settling: Settling): Effect.Effect<Settled> => {
  switch (write._tag) {
    case "CreateIssue":
      return whileLooking(settleCreate(write, settling, sendAgain(write, settling, sendMaking)))
    case "AddComment":
      return whileLooking(settleComment(write, settling, sendAgain(write, settling, sendMaking)))
    default:
      return whileLooking(settleChange(write, settling))
  }
}

const sendMaking = (write: Write, sending: Sending): Effect.Effect<Settled> =>
  Effect.matchEffect(sending.send(write), {
    onFailure: (failed) =>
      failed._tag === "Ambiguous" && failed.isOver === true
        ? afterUnclear(write, sending, failed)
        : Effect.succeed(ofFailure(failed)),
    onSuccess: (sent) =>
      sent._tag === "Existing" ? adopt(sent.id, write, sending) : checkOwn(write, sent, sending)
  })

/** Tasker answered, so the request can't be executed later: a look decides at once. */
const afterUnclear = (write: Write, sending: Sending, answered: Ambiguous): Effect.Effect<Settled> => {
  const inVain = () => inDoubt(answered)
  switch (write._tag) {
    case "CreateIssue":
      return Effect.orElseSucceed(
        settleCreate(write, sending, refusedIfAbsent(write, sending, answered)),
        inVain
      )
    case "AddComment":
      return Effect.orElseSucceed(
        settleComment(write, sending, refusedIfAbsent(write, sending, answered)),
        inVain
      )
    default:
      return Effect.succeed(inVain())
  }
}

const ofFailure = (failed: WriteFailed): Settled =>
  failed._tag === "Ambiguous" ? inDoubt(failed) : notDone(failed.failure)

/** Compares a response to a create or comment with the request: Tasker may repeat an earlier write's. */
const checkOwn = (write: Write, written: Written, sending: Sending): Effect.Effect<Settled> => {
  if (write._tag === "CreateIssue" && written._tag === "Issue") {
    return doneIfOwnCard(write, written.issue, sending, {})
  }
  if (write._tag === "AddComment" && written._tag === "Comment") {
    return doneIfOwnComment(write, written.comment, sending, {})
  }
  return Effect.die(new Error("Tasker's response was read as another kind of write"))
}

/** Tasker's 409 names what stands under the write's key: reads it and compares. */
const adopt = (id: string, write: Write, sending: Sending): Effect.Effect<Settled> => {
  switch (write._tag) {
    case "CreateIssue":
      return whileLooking(findNamedCard(IssueId.make(id), write, sending))
    case "AddComment":
      return whileLooking(findNamedComment(CommentId.make(id), write, sending))
    default:
      return Effect.succeed(unresolvable("Tasker names something for this key that it can't have made."))
  }
}

/**
 * A failed look decides nothing. It counts only if Tasker answered about this write, not if Tasker is out,
 * refuses the gateway, or breaks the contract.
 */
const whileLooking = (settling: Effect.Effect<Settled, TaskerError>): Effect.Effect<Settled> =>
  Effect.catch(settling, (failure) =>
    Effect.succeed<Settled>({
      _tag: "Undecided",
      because: failure.message,
      asked: failure._tag === "GrantDenied" || failure.reason === "not_found" || failure.reason === "rejected"
    })
  )
