import { Effect, Option } from "effect"
import { TaskerFailure } from "../domain/Failure.ts"
import type { Tries } from "../domain/Operation.ts"
import type { Copies, Look } from "../domain/Tasker.ts"
import type { AddComment, CreateIssue, Write } from "../domain/Write.ts"
import type { Ambiguous } from "../domain/WriteFailed.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import { doneIfOwnCard, doneIfOwnComment } from "./adopt.ts"
import {
  type Done,
  inDoubt,
  lookedInVain,
  notDone,
  type Sending,
  type Settled,
  type Settling,
  unresolvable
} from "./Settled.ts"

/**
 * Settles a create or a comment that may have been sent. Looking is allowed at once. Sending again waits
 * until every earlier request is assumed dead: one that arrives beside the resend would double.
 */

type SendMaking = (write: Write, sending: Sending) => Effect.Effect<Settled>

/** What is concluded if the look did not find what the write made. */
type Otherwise = (look: NotFound, mark: Mark) => Effect.Effect<Settled, TaskerError>
type NotFound = Exclude<Look<unknown>, { readonly _tag: "Found" }>

export const settleCreate = Effect.fnUntraced(function* (
  write: CreateIssue,
  settling: Settling,
  otherwise: Otherwise
): Effect.fn.Return<Settled, TaskerError> {
  const mark = { project_id: write.project_id, external_id: settling.key }
  const look = yield* settling.tasker.findIssue(settling.who, mark)
  if (look._tag !== "Found") return yield* otherwise(look, mark)
  return yield* doneIfOwnCard(write, look.value, settling, {
    found: true,
    copies: copiesOf(look),
    ...resentBefore(settling)
  })
})

export const settleComment = Effect.fnUntraced(function* (
  write: AddComment,
  settling: Settling,
  otherwise: Otherwise
): Effect.fn.Return<Settled, TaskerError> {
  const { issue_id, project_id } = write
  const mark = { project_id, issue_id, external_id: settling.key }
  const look = yield* settling.tasker.findComment(settling.who, mark)
  if (look._tag !== "Found") return yield* otherwise(look, mark)
  return yield* doneIfOwnComment(write, look.value, settling, {
    found: true,
    copies: copiesOf(look),
    ...resentBefore(settling)
  })
})

/** Sends it again if a look shows that it was not executed and no earlier request can arrive. */
export const sendAgain =
  (write: CreateIssue | AddComment, settling: Settling, send: SendMaking): Otherwise =>
  (look, mark) =>
    afterLook(look, write, settling, send, mark)

/** Takes a write for refused whose request is over, if a complete look shows that it was not executed. */
export const refusedIfAbsent =
  (write: CreateIssue | AddComment, { tasker, who }: Settling, answered: Ambiguous): Otherwise =>
  (look) => {
    if (look._tag === "Hidden") return Effect.succeed(notDone(cardGone))
    if (look._tag !== "Absent") return Effect.succeed(inDoubt(answered))
    if (write._tag === "CreateIssue") return Effect.succeed(notDone(notValid))
    const { issue_id, project_id } = write
    return Effect.map(tasker.issue(who, { project_id, issue_id }), (card) =>
      notDone(card === undefined ? cardGone : notValid)
    )
  }

const cardGone = new TaskerFailure({
  reason: "not_found",
  message:
    "Tasker does not show the card any more, so the comment was not made. Nothing was changed. It may have been deleted: look it up again before calling again."
})

const notValid = new TaskerFailure({
  reason: "rejected",
  message:
    "Tasker refused it as not valid, and shows that it was not made. Nothing was changed. Correct the arguments before calling again."
})

/** A resend whose reply was lost, or whose sender died, can have met a late first try as well. */
const resentBefore = ({ tries }: Settling): Pick<Done, "resent"> => ({
  resent: tries.resent ? "making" : undefined
})

const copiesOf = (
  look: Extract<Look<{ readonly id: string }>, { readonly _tag: "Found" }>
): Copies | undefined =>
  look.others.length === 0 ? undefined : { ids: [look.value.id, ...look.others], several: true }

type Mark = Parameters<Settling["tasker"]["copies"]>[1]

const afterLook = (
  look: NotFound,
  write: CreateIssue | AddComment,
  settling: Settling,
  send: SendMaking,
  mark: Mark
): Effect.Effect<Settled> => {
  switch (look._tag) {
    case "Absent":
      return resend(write, settling, send, mark, afterAbsent)
    case "Hidden":
    case "Inconclusive":
    case "Failing":
      return Effect.succeed(lookedInVain(look.because))
    case "Unsupported":
      return look.recognisesRepeats
        ? resend(write, settling, send, mark, blind)
        : Effect.succeed(
            unresolvable(
              "This Tasker can neither show what stands under the key nor recognise a repeat, so it is not sent again."
            )
          )
  }
}

/** Refusals of a resend that also say that the first try was not executed. */
type Telling = ReadonlyArray<string>
const afterAbsent: Telling = ["rejected", "not_found"]
const blind: Telling = []

const resend = (
  write: CreateIssue | AddComment,
  settling: Settling,
  sendMaking: SendMaking,
  mark: Mark,
  telling: Telling
): Effect.Effect<Settled> => {
  const { send, tasker, tries, who } = settling
  if (tries.restless > 0) {
    return Effect.succeed(waiting(tries))
  }
  if (send === undefined) return Effect.succeed(unresolvable(notAllowed))
  return Effect.gen(function* () {
    const settled = yield* sendMaking(write, { ...settling, send })
    if (settled._tag === "NotDone" && !telling.includes(settled.failure.reason)) {
      return {
        _tag: "Undecided",
        because: settled.failure.message,
        asked: !isOut(settled.failure.reason)
      } satisfies Settled
    }
    if (settled._tag !== "Done") return settled
    // Found means that Tasker answered 409: this resend made nothing.
    if (settled.found) return { ...settled, ...resentBefore(settling) } satisfies Settled
    const copies = yield* Effect.option(tasker.copies(who, mark))
    return {
      ...settled,
      resent: "making",
      copies: Option.getOrUndefined(Option.filter(copies, ({ several }) => several))
    } satisfies Settled
  })
}

const isOut = (reason: string): boolean => ["unavailable", "timeout", "rate_limited"].includes(reason)

export const waiting = ({ restless }: Tries): Settled => ({
  _tag: "Waiting",
  because: "A request of this write may still be on its way to Tasker.",
  millis: restless
})

export const notAllowed =
  "Nothing shows that it was done, and its agent may not do it any more: it was not sent again."
