import { Effect } from "effect"
import type { GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import { CommentId, type IssueId } from "../domain/Ids.ts"
import type { ListedComment, TaskerComment, TaskerIssue } from "../domain/Tasker.ts"
import type { AddComment, CreateIssue, IssueChange, Write, Written } from "../domain/Write.ts"
import type { Existing, TaskerAdapter, TaskerError, WriteTicket } from "../services/TaskerAdapter.ts"
import type { Tool } from "./Tool.ts"
import { holds, sameWords } from "./unmet.ts"

/**
 * What became of a write. `Done` only where Tasker shows that it is what was asked; `NotDone` only
 * where Tasker says so; all else is `Undecided`: the key is kept, and nobody guesses.
 */
export type Settled =
  | { readonly _tag: "Done"; readonly written: Written }
  | { readonly _tag: "NotDone"; readonly failure: TaskerFailure | GrantDenied }
  | { readonly _tag: "Undecided"; readonly because: string }

type Tasker = TaskerAdapter["Service"]
type Apply = Tool["apply"]

const done = (written: Written): Settled => ({ _tag: "Done", written })
const notDone = (failure: TaskerFailure | GrantDenied): Settled => ({ _tag: "NotDone", failure })
const undecided = (because: string): Settled => ({ _tag: "Undecided", because })
const issueDone = (issue: TaskerIssue): Settled => done({ _tag: "Issue", issue })

/** The first try: Tasker has never seen this key from us. */
export const attempt = (
  write: Write,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.Effect<Settled> =>
  apply(write, ticket, tasker).pipe(
    Effect.flatMap((sent) =>
      sent._tag === "Existing" ? adopt(sent, write, ticket, tasker) : own(write, sent)
    ),
    Effect.catch((failure) =>
      Effect.succeed(isAmbiguous(failure) ? undecided(failure.message) : notDone(failure))
    )
  )

/**
 * Settles a write that was sent, or perhaps was, and whose reply nobody has. Looks first; sends again
 * only what Tasker recognises as a repeat, or what the card's own `updated_at` makes harmless.
 */
export const settle = (
  write: Write,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.Effect<Settled> => {
  switch (write._tag) {
    case "CreateIssue":
      return looking(settleCreate(write, ticket, tasker, apply))
    case "AddComment":
      return looking(settleComment(write, ticket, tasker, apply))
    default:
      return looking(settleChange(write, ticket, tasker, apply))
  }
}

/** While Tasker can't be asked, nothing is decided. */
const looking = (settling: Effect.Effect<Settled, TaskerError>): Effect.Effect<Settled> =>
  Effect.catch(settling, (failure) => Effect.succeed(undecided(failure.message)))

const isAmbiguous = (failure: TaskerError): boolean => failure._tag === "TaskerFailure" && failure.ambiguous

/** What a repeat is refused for where Tasker looked at it and found it wanting in itself. */
const aboutTheWrite: ReadonlyArray<string> = ["rejected", "not_found"]

/**
 * Sends a write once more, after a look that showed nothing of the first try. Of the first try a
 * refusal of the repeat says something only where it is about the write itself: that Tasker can't be
 * reached, is too busy, or lets nobody in just now decides nothing, and a conflict may be our own first
 * try that moved the card on.
 */
const resend = (write: Write, ticket: WriteTicket, tasker: Tasker, apply: Apply): Effect.Effect<Settled> =>
  attempt(write, ticket, tasker, apply).pipe(
    Effect.map((settled) =>
      settled._tag === "NotDone" && !aboutTheWrite.includes(settled.failure.reason)
        ? undecided(settled.failure.message)
        : settled
    )
  )

/** The same where nothing could be looked at: no refusal of the repeat then says that the first try was not done. */
const resendBlindly = (
  write: Write,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.Effect<Settled> =>
  Effect.map(resend(write, ticket, tasker, apply), (settled) =>
    settled._tag === "NotDone" ? undecided(settled.failure.message) : settled
  )

const settleCreate = Effect.fnUntraced(function* (
  write: CreateIssue,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.fn.Return<Settled, TaskerError> {
  const page = yield* tasker.listIssues(ticket, {
    project_id: write.project_id,
    external_id: ticket.upstreamKey,
    limit: 2
  })
  const [found] = page.results
  return yield* found === undefined ? resend(write, ticket, tasker, apply) : ownCard(write, found)
})

/**
 * What Tasker answers to a making is held against what was asked, also the first time: under our key it
 * may have carried out another write, which was given up before and arrived late. Of a change the
 * adapter has seen to it that the answer is the same card; what it lacks stands in the answer's warnings.
 */
const own = (write: Write, written: Written): Effect.Effect<Settled> => {
  if (write._tag === "CreateIssue" && written._tag === "Issue") return ownCard(write, written.issue)
  if (write._tag === "AddComment" && written._tag === "Comment") return ownComment(write, written.comment)
  return Effect.succeed(done(written))
}

/** A card under our key that is not the one we asked for is a defect, never an answer. */
const ownCard = (write: CreateIssue, found: TaskerIssue): Effect.Effect<Settled> =>
  found.project_id === write.project_id && sameWords(found.name, write.name)
    ? Effect.succeed(issueDone(found))
    : Effect.logError("Tasker has another card under the key of a write", { issue_id: found.id }).pipe(
        Effect.as(undecided("Tasker has another card under the key of this write."))
      )

const settleChange = Effect.fnUntraced(function* (
  write: IssueChange,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.fn.Return<Settled, TaskerError> {
  const read = Effect.map(
    tasker.listIssues(ticket, { project_id: write.project_id, issue_id: write.issue_id, limit: 1 }),
    ({ results }) =>
      results.find(({ id, project_id }) => id === write.issue_id && project_id === write.project_id)
  )
  const before = yield* read
  if (before === undefined) return undecided("The card is no longer there to look at.")
  if (holds(write, before)) return issueDone(before)
  // Somebody changed the card since the first try: a repeat could undo what they did.
  if (before.updated_at !== write.seen_updated_at)
    return undecided("The card was changed by someone else meanwhile.")
  const sent = yield* resend({ ...write, expected_updated_at: write.seen_updated_at }, ticket, tasker, apply)
  if (sent._tag !== "Undecided") return sent
  const after = yield* read
  return after !== undefined && holds(write, after) ? issueDone(after) : sent
})

const settleComment = Effect.fnUntraced(function* (
  write: AddComment,
  ticket: WriteTicket,
  tasker: Tasker,
  apply: Apply
): Effect.fn.Return<Settled, TaskerError> {
  const found = yield* findComment(
    write,
    ticket,
    tasker,
    (comment) => comment.external_id === ticket.upstreamKey
  )
  if (found === "unsupported") return yield* resendBlindly(write, ticket, tasker, apply)
  return yield* found === undefined ? resend(write, ticket, tasker, apply) : ownComment(write, found)
})

type CommentMade = Omit<TaskerComment, "created_at"> & { readonly created_at: string | null }

const ownComment = (write: AddComment, found: CommentMade): Effect.Effect<Settled> =>
  sameWords(write.comment_html, found.comment_html)
    ? Effect.succeed(done({ _tag: "Comment", comment: found }))
    : Effect.logError("Tasker has another comment under the key of a write", { comment_id: found.id }).pipe(
        Effect.as(undecided("Tasker has another comment under the key of this write."))
      )

/** A card with more comments than this is searched no further, and the write is repeated under its key. */
const searchedPages = 20

const findComment = Effect.fnUntraced(function* (
  write: AddComment,
  ticket: WriteTicket,
  tasker: Tasker,
  isIt: (comment: ListedComment) => boolean
): Effect.fn.Return<ListedComment | "unsupported" | undefined, TaskerError> {
  let cursor: string | undefined
  for (let page = 0; page < searchedPages; page++) {
    const listed = yield* tasker
      .listComments(ticket, {
        project_id: write.project_id,
        issue_id: write.issue_id,
        limit: 100,
        ...(cursor === undefined ? {} : { cursor })
      })
      .pipe(
        Effect.catchTag("TaskerFailure", (failure) =>
          failure.reason === "unsupported" ? Effect.succeed(undefined) : Effect.fail(failure)
        )
      )
    if (listed === undefined) return "unsupported"
    const found = listed.results.find(isIt)
    if (found !== undefined || listed.next_cursor === null) return found
    cursor = listed.next_cursor
  }
  return undefined
})

/** Tasker says that our key is carried out and names what came of it: read it, and hold it against what was asked. */
const adopt = (
  existing: Existing,
  write: Write,
  ticket: WriteTicket,
  tasker: Tasker
): Effect.Effect<Settled> =>
  looking(
    Effect.gen(function* () {
      if (write._tag === "CreateIssue") {
        const page = yield* tasker.listIssues(ticket, {
          project_id: write.project_id,
          issue_id: existing.id as IssueId,
          limit: 1
        })
        const found = page.results.find(({ id }) => id === existing.id)
        return yield* found === undefined
          ? Effect.succeed(undecided("Tasker names a card for this key that can't be read."))
          : ownCard(write, found)
      }
      if (write._tag !== "AddComment")
        return undecided("Tasker names something for this key that it can't have made.")
      const found = yield* findComment(write, ticket, tasker, ({ id }) => id === existing.id)
      if (found === "unsupported") return unseenComment(existing, write)
      return yield* found === undefined
        ? Effect.succeed(undecided("Tasker names a comment for this key that can't be read."))
        : ownComment(write, found)
    })
  )

/** A Tasker that lists no comments says by its 409 that the comment is there; more can't be had of it. */
const unseenComment = (existing: Existing, write: AddComment): Settled =>
  done({
    _tag: "Comment",
    comment: {
      id: CommentId.make(existing.id),
      issue_id: write.issue_id,
      comment_html: write.comment_html,
      created_at: null
    }
  })
