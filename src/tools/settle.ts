import { Effect } from "effect"
import type { GrantDenied, TaskerFailure } from "../domain/Failure.ts"
import { CommentId, type IssueId } from "../domain/Ids.ts"
import type { ListedComment, TaskerIssue } from "../domain/Tasker.ts"
import type { AddComment, CreateIssue, IssueChange, Write, Written } from "../domain/Write.ts"
import type { Existing, TaskerAdapter, TaskerError, WriteTicket } from "../services/TaskerAdapter.ts"
import type { Tool } from "./Tool.ts"
import { holds, sameComment } from "./unmet.ts"

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
      sent._tag === "Existing" ? adopt(sent, write, ticket, tasker) : Effect.succeed(done(sent))
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

/**
 * Sends a write once more. A conflict here decides nothing: it may be our own first try that moved
 * the card on.
 */
const resend = (write: Write, ticket: WriteTicket, tasker: Tasker, apply: Apply): Effect.Effect<Settled> =>
  attempt(write, ticket, tasker, apply).pipe(
    Effect.map((settled) =>
      settled._tag === "NotDone" &&
      settled.failure._tag === "TaskerFailure" &&
      settled.failure.reason === "conflict"
        ? undecided(settled.failure.message)
        : settled
    )
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

/** A card under our key that is not the one we asked for is a defect, never an answer. */
const ownCard = (write: CreateIssue, found: TaskerIssue): Effect.Effect<Settled> =>
  found.project_id === write.project_id && spaced(found.name) === spaced(write.name)
    ? Effect.succeed(issueDone(found))
    : Effect.logError("Tasker has another card under the key of a write", { issue_id: found.id }).pipe(
        Effect.as(undecided("Tasker has another card under the key of this write."))
      )

const spaced = (text: string): string => text.replace(/\s+/g, " ").trim()

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
  return yield* found === undefined || found === "unsupported"
    ? resend(write, ticket, tasker, apply)
    : ownComment(write, found)
})

const ownComment = (write: AddComment, found: ListedComment): Effect.Effect<Settled> =>
  sameComment(write.comment_html, found.comment_html)
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
