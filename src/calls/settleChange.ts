import { Effect, Option, Result } from "effect"
import { TaskerFailure } from "../domain/Failure.ts"
import { fieldHash, issueFields, touchedFields } from "../domain/IssueVersion.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { IssueChange } from "../domain/Write.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import type { AgentTexts } from "../services/Texts.ts"
import {
  type Done,
  done,
  inDoubt,
  lookedInVain,
  notDone,
  type Sending,
  type Settled,
  type Settling,
  unresolvable
} from "./Settled.ts"
import { notAllowed, waiting } from "./settleMaking.ts"
import { holds, unmet } from "./unmet.ts"

/**
 * Sends and settles a change of a card by the content of the fields that it touches. A change may be sent
 * again without waiting: a late first try asks for the same values as the resend.
 */

/** Sendings of one call, the first included, under the `updated_at` that each conflict showed. */
const mostSendings = 3

/** A change is not sent again later than this after its first try. */
const longestResendMillis = 3_600_000

/** Sends a change. A conflict of a card whose content is still as planned is sent again. */
export const sendChange = (write: IssueChange, sending: Sending, sendings = 1): Effect.Effect<Settled> =>
  Effect.matchEffect(sending.send(write), {
    onSuccess: (sent) =>
      sent._tag === "Issue"
        ? checkAnswer(write, sent.issue, sending)
        : Effect.succeed(unresolvable("Tasker names something for this key that it can't have made.")),
    onFailure: (failed) => {
      if (failed._tag === "Ambiguous") return Effect.succeed(inDoubt(failed))
      const isConflict = failed.failure._tag === "TaskerFailure" && failed.failure.reason === "conflict"
      return isConflict ? afterConflict(write, sending, sendings) : Effect.succeed(notDone(failed.failure))
    }
  })

const afterConflict = Effect.fnUntraced(function* (
  write: IssueChange,
  sending: Sending,
  sendings: number
): Effect.fn.Return<Settled> {
  // Tasker refused it, so without a look the change is not made either.
  const card = Option.getOrUndefined(yield* Effect.option(read(write, sending)))
  if (card === undefined) return notDone(changedMeanwhile())
  if (yield* holds(write, card, sending.texts)) return done({ _tag: "Issue", issue: card }, { found: true })
  return isAsPlanned(write, card) && sendings < mostSendings
    ? yield* sendChange({ ...write, seen_updated_at: card.updated_at }, sending, sendings + 1)
    : notDone(changedMeanwhile())
})

const changedMeanwhile = (): TaskerFailure =>
  new TaskerFailure({
    reason: "conflict",
    message:
      "The card was changed at the same moment, so this change was not made. Repeat the same call with the same idempotency_key: it is planned again on the card as it stands then.",
    retryable: true,
    details: { retry_after_seconds: 1 }
  })

const read = ({ issue_id, project_id }: IssueChange, { tasker, who }: Settling) =>
  tasker.issue(who, { project_id, issue_id })

/**
 * True if the card has the content on which the change was planned: the fields that it touches, or every
 * field if its caller expected a version.
 */
const isAsPlanned = ({ planned, seen_updated_at }: IssueChange, card: TaskerIssue): boolean =>
  planned === undefined
    ? card.updated_at === seen_updated_at
    : issueFields.every((field) => planned[field] === undefined || fieldHash(field, card) === planned[field])

/** True if a touched field has neither the planned nor the requested value: another hand changed it. */
const isOverwritten = (
  write: IssueChange,
  card: TaskerIssue,
  texts: AgentTexts<never>
): Effect.Effect<boolean> =>
  Effect.map(unmet(write, card, texts), (warnings) => {
    const missing = new Set(warnings.map(({ field }) => field))
    return touchedFields(write).some(
      (field) => missing.has(field) && write.planned?.[field] !== fieldHash(field, card)
    )
  })

/** True if the set that a change replaces is empty: Plane removes the old members first, then adds the new ones. */
const isEmptied = (write: IssueChange, card: TaskerIssue): boolean =>
  (write._tag === "SetLabels" && card.label_ids.length === 0) ||
  (write._tag === "SetAssignees" && card.assignee_ids.length === 0)

/**
 * Checks the response to a change. One that is no newer than the card that the change was planned on may
 * be a repeat of an earlier write's response: the card itself decides.
 */
const checkAnswer = Effect.fnUntraced(function* (
  write: IssueChange,
  answered: TaskerIssue,
  sending: Sending
): Effect.fn.Return<Settled> {
  if (Date.parse(answered.updated_at) > Date.parse(write.seen_updated_at)) {
    return done({ _tag: "Issue", issue: answered })
  }
  const card = yield* Effect.result(read(write, sending))
  if (Result.isFailure(card)) return lookedInVain(card.failure.message)
  return card.success !== undefined && (yield* holds(write, card.success, sending.texts))
    ? done({ _tag: "Issue", issue: card.success }, { found: true })
    : unresolvable("Tasker answered with an earlier state of the card, which is not as this change asks.")
})

export const settleChange = Effect.fnUntraced(function* (
  write: IssueChange,
  settling: Settling
): Effect.fn.Return<Settled, TaskerError> {
  const card = yield* read(write, settling)
  if (card === undefined) {
    return unresolvable("Tasker does not show the card any more: it may have been archived or deleted.")
  }
  const { send, tries } = settling
  const resentBefore: Pick<Done, "resent"> = { resent: tries.moved ? "moved" : undefined }
  if (yield* holds(write, card, settling.texts))
    return done({ _tag: "Issue", issue: card }, { found: true, ...resentBefore })
  if (!isAsPlanned(write, card)) {
    if (tries.restless > 0 && isEmptied(write, card)) return waiting(tries)
    return (yield* isOverwritten(write, card, settling.texts))
      ? unresolvable("A field of the card is neither as it was before this change nor as it asked.")
      : lookedInVain("The card holds this change only in part, or another hand changed it meanwhile.")
  }
  if (send === undefined) return tries.restless > 0 ? waiting(tries) : unresolvable(notAllowed)
  if (tries.age > longestResendMillis) {
    return unresolvable("The change was first tried more than an hour ago, so it is not sent again.")
  }
  const moved = card.updated_at !== write.seen_updated_at
  const sent = yield* sendChange({ ...write, seen_updated_at: card.updated_at }, { ...settling, send })
  switch (sent._tag) {
    case "Done":
      return moved && !sent.found ? { ...sent, resent: "moved" } : { ...sent, ...resentBefore }
    case "NotDone": {
      // A first try that may still be on its way can succeed where this one was refused.
      const tells = ["rejected", "not_found"].includes(sent.failure.reason) && tries.restless === 0
      return tells ? sent : lookedInVain(sent.failure.message)
    }
    case "Undecided":
    case "Unresolvable":
      return { ...sent, moved }
    default:
      return sent
  }
})
