import { Effect, Option } from "effect"
import type { Tries } from "../domain/Operation.ts"
import type { Copies, Look } from "../domain/Tasker.ts"
import type { AddComment, CreateIssue, Write } from "../domain/Write.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import { doneIfOwnCard, doneIfOwnComment } from "./adopt.ts"
import {
  type Done,
  lookedInVain,
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

export const settleCreate = Effect.fnUntraced(function* (
  write: CreateIssue,
  settling: Settling,
  send: SendMaking
): Effect.fn.Return<Settled, TaskerError> {
  const mark = { project_id: write.project_id, external_id: settling.key }
  const look = yield* settling.tasker.findIssue(settling.who, mark)
  if (look._tag !== "Found") return yield* afterLook(look, write, settling, send, mark)
  return yield* doneIfOwnCard(write, look.value, settling, {
    found: true,
    copies: copiesOf(look),
    ...resentBefore(settling)
  })
})

export const settleComment = Effect.fnUntraced(function* (
  write: AddComment,
  settling: Settling,
  send: SendMaking
): Effect.fn.Return<Settled, TaskerError> {
  const { issue_id, project_id } = write
  const mark = { project_id, issue_id, external_id: settling.key }
  const look = yield* settling.tasker.findComment(settling.who, mark)
  if (look._tag !== "Found") return yield* afterLook(look, write, settling, send, mark)
  return yield* doneIfOwnComment(write, look.value, settling, {
    found: true,
    copies: copiesOf(look),
    ...resentBefore(settling)
  })
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
  look: Exclude<Look<unknown>, { readonly _tag: "Found" }>,
  write: CreateIssue | AddComment,
  settling: Settling,
  send: SendMaking,
  mark: Mark
): Effect.Effect<Settled> => {
  switch (look._tag) {
    case "Absent":
      return resend(write, settling, send, mark, afterAbsent)
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
