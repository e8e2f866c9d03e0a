import { Effect } from "effect"
import { type GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import { CommentId, IssueId, type ProjectId } from "../domain/Ids.ts"
import type { ListedComment, Page, TaskerIssue } from "../domain/Tasker.ts"
import {
  type AddComment,
  type CommentWritten,
  type CreateIssue,
  type IssueChange,
  isChange,
  type Write,
  type Written
} from "../domain/Write.ts"
import type { Existing, OnBehalf, TaskerAdapter, TaskerError } from "../services/TaskerAdapter.ts"
import { sameWords } from "../text/sameText.ts"
import { holds } from "./unmet.ts"

/**
 * What became of a write. `Done` only where Tasker shows that it is what was asked; `NotDone` only
 * where Tasker says so; all else leaves the key as it is, and nobody guesses: `Undecided` where another
 * look may tell, `Unresolvable` where what was seen will not tell more by being looked at again.
 */
export type Settled =
  | { readonly _tag: "Done"; readonly written: Written }
  | { readonly _tag: "NotDone"; readonly failure: TaskerFailure | GrantDenied }
  | {
      readonly _tag: "Undecided"
      readonly because: string
      /** Whether Tasker was there to be asked. */
      readonly asked: boolean
    }
  | { readonly _tag: "Unresolvable"; readonly because: string }

/** One write on its way: on whose account Tasker is looked at, under which key the write goes, and how it is sent. */
export interface Sending {
  readonly tasker: TaskerAdapter["Service"]
  readonly who: OnBehalf
  /** What Tasker knows the write by: `Idempotency-Key` and `external_id`. */
  readonly key: string
  readonly send: Send
}

export type Send = (write: Write) => Effect.Effect<Written | Existing, TaskerError>

/** The same where nothing may be sent any more, as its agent is not allowed to: it is only looked at. */
export interface Looking extends Omit<Sending, "send"> {
  readonly send: Send | undefined
}

const done = (written: Written): Settled => ({ _tag: "Done", written })
const notDone = (failure: TaskerError): Settled => ({ _tag: "NotDone", failure })
const unresolvable = (because: string): Settled => ({ _tag: "Unresolvable", because })
const undecided = (failure: TaskerError): Settled => ({
  _tag: "Undecided",
  because: failure.message,
  asked: !isOut(failure)
})

/** What is said of a write that could not be sent or settled in the time there was. */
export const outOfTime: Settled = {
  _tag: "Undecided",
  because: "Tasker did not answer in time.",
  asked: true
}

/** Tasker was not there, or took no call: it says nothing about this write in particular. */
const isOut = (failure: TaskerError): boolean =>
  failure._tag === "TaskerFailure" &&
  !failure.ambiguous &&
  (failure.reason === "unavailable" || failure.reason === "timeout" || failure.reason === "rate_limited")
const issueDone = (issue: TaskerIssue): Settled => done({ _tag: "Issue", issue })

/** The first try: Tasker has never seen this key from us. */
export const attempt = (write: Write, sending: Sending): Effect.Effect<Settled> =>
  sending.send(write).pipe(
    Effect.flatMap((sent) =>
      sent._tag === "Existing" ? adopt(sent, write, sending) : own(write, sent, sending)
    ),
    Effect.catch((failure) =>
      isAmbiguous(failure) ? Effect.succeed(undecided(failure)) : afterRefusal(write, sending, failure)
    )
  )

/**
 * A change goes out under the card as it was planned on, so somebody else's edit in that moment refuses
 * it. That is no fault of the caller's: unless the card holds what was asked by now, the same call plans
 * anew.
 */
const afterRefusal = (write: Write, sending: Looking, failure: TaskerError): Effect.Effect<Settled> => {
  const isRace = failure._tag === "TaskerFailure" && failure.reason === "conflict"
  if (!isRace || !isChange(write)) {
    return Effect.succeed(notDone(failure))
  }
  return whileLooking(
    Effect.map(cardOf(sending, write.project_id, write.issue_id), (card) =>
      card !== undefined && holds(write, card) ? issueDone(card) : notDone(changedMeanwhile())
    )
  )
}

const changedMeanwhile = (): TaskerFailure =>
  new TaskerFailure({
    reason: "conflict",
    message:
      "Somebody changed the card in the same moment, so this change was not made. Repeat the same call with the same idempotency_key: it is planned anew on the card as it stands then.",
    retryable: true,
    details: { retry_after_seconds: 1 }
  })

/**
 * Settles a write that was sent, or perhaps was, and whose reply nobody has. Looks first; sends again
 * only what Tasker recognises as a repeat, or what the card's own `updated_at` makes harmless.
 */
export const settle = (write: Write, sending: Looking): Effect.Effect<Settled> => {
  switch (write._tag) {
    case "CreateIssue":
      return whileLooking(settleCreate(write, sending))
    case "AddComment":
      return whileLooking(settleComment(write, sending))
    default:
      return whileLooking(settleChange(write, sending))
  }
}

/**
 * While Tasker can't be asked, nothing is decided; nor while it does not let the gateway in, or answers
 * what is no answer: that is not about this write, and no look at it counts.
 */
const whileLooking = (settling: Effect.Effect<Settled, TaskerError>): Effect.Effect<Settled> =>
  Effect.catch(settling, (failure) =>
    Effect.succeed<Settled>({
      _tag: "Undecided",
      because: failure.message,
      asked: failure._tag === "GrantDenied" || failure.reason === "not_found" || failure.reason === "rejected"
    })
  )

const isAmbiguous = (failure: TaskerError): boolean => failure._tag === "TaskerFailure" && failure.ambiguous

/**
 * Of the first try a refusal of the repeat says something only where it is about the write itself, and
 * where a look before it showed nothing of the first try. That Tasker can't be reached, is too busy, or
 * lets nobody in just now decides nothing, and a conflict may be our own first try that moved the card on.
 */
const afterALook: ReadonlyArray<string> = ["rejected", "not_found"]

/** Where nothing could be looked at, no refusal of the repeat says that the first try was not done. */
const blindly: ReadonlyArray<string> = []

/** Sends a write once more. `telling` are the refusals that say that it was not done before either. */
const resend = (write: Write, looking: Looking, telling: ReadonlyArray<string>): Effect.Effect<Settled> => {
  const { send } = looking
  if (send === undefined) {
    return Effect.succeed(
      unresolvable(
        "Nothing shows that it was done, and its agent may not do it any more: it was not sent again."
      )
    )
  }
  return Effect.map(attempt(write, { ...looking, send }), (settled) => {
    if (settled._tag !== "NotDone" || telling.includes(settled.failure.reason)) return settled
    return settled.failure.reason === "conflict" ? unresolvable(neitherNor) : undecided(settled.failure)
  })
}

const neitherNor = "The card is neither as it was before this change nor as it asked."

const settleCreate = Effect.fnUntraced(function* (
  write: CreateIssue,
  sending: Looking
): Effect.fn.Return<Settled, TaskerError> {
  const page = yield* sending.tasker.listIssues(sending.who, {
    project_id: write.project_id,
    external_id: sending.key,
    limit: 2
  })
  const [found, other] = page.results
  if (found === undefined) return yield* resend(write, sending, afterALook)
  if (other === undefined) return yield* ownCard(write, found)
  yield* Effect.logError("Tasker lists several cards under the key of one write", { issue_id: found.id })
  return unresolvable("Tasker lists several cards under the key of this write.")
})

/**
 * What Tasker answers to a making is held against what was asked, also the first time: under our key it
 * may have carried out another write, which was given up before and arrived late. Of a change the
 * adapter has seen to it that the answer is the same card; what it lacks stands in the answer's warnings.
 */
const own = (write: Write, written: Written, looking: Looking): Effect.Effect<Settled> => {
  if (write._tag === "CreateIssue" && written._tag === "Issue") return ownCard(write, written.issue)
  if (write._tag === "AddComment" && written._tag === "Comment") return ownComment(write, written.comment)
  if (isChange(write) && written._tag === "Issue") {
    return isReplay(write, written.issue) ? lookAgain(write, looking) : Effect.succeed(done(written))
  }
  return Effect.succeed(done(written))
}

/**
 * A card that is no newer than the one that the change was planned on: the change changed nothing, or
 * Tasker repeats what it answered to an earlier write under this key, which was given up or forgotten since.
 */
const isReplay = (write: IssueChange, answered: TaskerIssue): boolean =>
  !(Date.parse(answered.updated_at) > Date.parse(write.seen_updated_at))

/** The card itself says which. */
const lookAgain = (write: IssueChange, looking: Looking): Effect.Effect<Settled> =>
  whileLooking(
    Effect.map(cardOf(looking, write.project_id, write.issue_id), (card) =>
      card !== undefined && holds(write, card)
        ? issueDone(card)
        : unresolvable("Tasker answered with an earlier state of the card, which is not as this change asks.")
    )
  )

/** A card under our key that is not the one we asked for is a defect, never an answer. */
const ownCard = (write: CreateIssue, found: TaskerIssue): Effect.Effect<Settled> =>
  found.project_id === write.project_id && sameWords(found.name, write.name)
    ? Effect.succeed(issueDone(found))
    : Effect.logError("Tasker has another card under the key of a write", { issue_id: found.id }).pipe(
        Effect.as(unresolvable("Tasker has another card under the key of this write."))
      )

const cardOf = ({ tasker, who }: Looking, project_id: ProjectId, issue_id: IssueId) =>
  Effect.map(tasker.listIssues(who, { project_id, issue_id, limit: 1 }), ({ results }) =>
    results.find((card) => card.id === issue_id && card.project_id === project_id)
  )

const settleChange = Effect.fnUntraced(function* (
  write: IssueChange,
  sending: Looking
): Effect.fn.Return<Settled, TaskerError> {
  const read = cardOf(sending, write.project_id, write.issue_id)
  const before = yield* read
  if (before === undefined) return unresolvable("The card is no longer there to look at.")
  if (holds(write, before)) return issueDone(before)
  // Somebody changed the card since the first try: a repeat could undo what they did.
  if (before.updated_at !== write.seen_updated_at) {
    return unresolvable(neitherNor)
  }
  const sent = yield* resend(write, sending, afterALook)
  if (sent._tag === "Done" || sent._tag === "NotDone") return sent
  const after = yield* read
  return after !== undefined && holds(write, after) ? issueDone(after) : sent
})

const settleComment = Effect.fnUntraced(function* (
  write: AddComment,
  sending: Looking
): Effect.fn.Return<Settled, TaskerError> {
  const looked = yield* findComment(write, sending, ({ external_id }) => external_id === sending.key)
  switch (looked._tag) {
    case "Found":
      return yield* ownComment(write, looked.comment)
    case "Absent":
      return yield* resend(write, sending, afterALook)
    case "Unlisted":
      return yield* resend(write, sending, blindly)
  }
})

const ownComment = (write: AddComment, found: CommentWritten): Effect.Effect<Settled> =>
  sameWords(write.comment_html, found.comment_html)
    ? Effect.succeed(done({ _tag: "Comment", comment: found }))
    : Effect.logError("Tasker has another comment under the key of a write", { comment_id: found.id }).pipe(
        Effect.as(unresolvable("Tasker has another comment under the key of this write."))
      )

/** What looking for a comment came to; `Unlisted`: this Tasker lists none. */
type Looked =
  | { readonly _tag: "Found"; readonly comment: ListedComment }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Unlisted" }

/** A card with more comments than this is searched no further, and the write is repeated under its key. */
const searchedPages = 80

/** Few enough that a page of the longest comments is no reply too large to be read. */
const commentsAtOnce = 25

const findComment = Effect.fnUntraced(
  function* (
    { project_id, issue_id }: AddComment,
    { tasker, who }: Looking,
    isIt: (comment: ListedComment) => boolean
  ): Effect.fn.Return<Looked, TaskerError> {
    let cursor: string | null = null
    for (let page = 0; page < searchedPages; page++) {
      const query = { project_id, issue_id, limit: commentsAtOnce, ...(cursor === null ? {} : { cursor }) }
      const listed: Page<ListedComment> = yield* tasker.listComments(who, query)
      const comment = listed.results.find(isIt)
      if (comment !== undefined) return { _tag: "Found", comment }
      if (listed.next_cursor === null) break
      cursor = listed.next_cursor
    }
    return { _tag: "Absent" }
  },
  Effect.catchTag("TaskerFailure", (failure) =>
    failure.reason === "unsupported" ? Effect.succeed<Looked>({ _tag: "Unlisted" }) : Effect.fail(failure)
  )
)

/** Tasker says that our key is carried out and names what came of it: read it, and hold it against what was asked. */
const adopt = (existing: Existing, write: Write, sending: Looking): Effect.Effect<Settled> => {
  switch (write._tag) {
    case "CreateIssue":
      return whileLooking(adoptCard(IssueId.make(existing.id), write, sending))
    case "AddComment":
      return whileLooking(adoptComment(CommentId.make(existing.id), write, sending))
    default:
      return Effect.succeed(unresolvable("Tasker names something for this key that it can't have made."))
  }
}

const adoptCard = Effect.fnUntraced(function* (
  id: IssueId,
  write: CreateIssue,
  sending: Looking
): Effect.fn.Return<Settled, TaskerError> {
  const found = yield* cardOf(sending, write.project_id, id)
  return found === undefined
    ? unresolvable("Tasker names a card for this key that can't be read.")
    : yield* ownCard(write, found)
})

const adoptComment = Effect.fnUntraced(function* (
  id: CommentId,
  write: AddComment,
  sending: Looking
): Effect.fn.Return<Settled, TaskerError> {
  const looked = yield* findComment(write, sending, (comment) => comment.id === id)
  switch (looked._tag) {
    case "Found":
      return yield* ownComment(write, looked.comment)
    case "Absent":
      return unresolvable("Tasker names a comment for this key that can't be read.")
    case "Unlisted": {
      // By its 409 Tasker says that the comment is there; more can't be had of it.
      const { issue_id, comment_html } = write
      return done({ _tag: "Comment", comment: { id, issue_id, comment_html, created_at: null } })
    }
  }
})
