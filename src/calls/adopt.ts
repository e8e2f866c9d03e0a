import { Effect } from "effect"
import type { CommentId, IssueId } from "../domain/Ids.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { AddComment, CommentWritten, CreateIssue } from "../domain/Write.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import { sameName } from "../text/sameText.ts"
import {
  type Done,
  done,
  inDoubt,
  lookedInVain,
  type Settled,
  type Settling,
  unresolvable
} from "./Settled.ts"
import { unmet } from "./unmet.ts"

/** Decides if a card or comment under a write's key is the one that this write made. */

type Found = Partial<Omit<Done, "_tag" | "written">>

/**
 * True if the `external_id` alone proves that this write made it: it carries ours, or was looked up by it,
 * and it was made after the key's first sending, which is the key's only one. Where Tasker's clock is behind
 * the database's, the fields decide.
 */
const isProven = (
  made: { readonly external_id?: string | null; readonly created_at: string | null },
  { key, tries }: Settling,
  { found = false }: Found
): boolean =>
  !tries.reused &&
  (made.external_id === key || (found && made.external_id === undefined)) &&
  made.created_at !== null &&
  Date.parse(made.created_at) >= tries.firstAt

/** Fields of a new card that Tasker may set otherwise than asked. */
const setByTasker: ReadonlyArray<string> = ["state", "labels", "assignees"]

/** Under a key that was used before, an earlier write of the same name may have made it: every field counts. */
const isAsAsked = Effect.fnUntraced(function* (
  write: CreateIssue,
  card: TaskerIssue,
  { texts, tries }: Settling
) {
  if (!sameName(card.name, write.name)) return false
  return !tries.reused || (yield* unmet(write, card, texts)).every(({ field }) => setByTasker.includes(field))
})

const isForeign = (made: { readonly external_id?: string | null }, { key }: Settling): boolean =>
  made.external_id !== undefined && made.external_id !== key

/** A card that is not the one asked for is never an answer, whatever Tasker says. */
export const doneIfOwnCard = Effect.fnUntraced(function* (
  write: CreateIssue,
  card: TaskerIssue,
  settling: Settling,
  found: Found
): Effect.fn.Return<Settled> {
  const isOwn =
    card.project_id === write.project_id &&
    !isForeign(card, settling) &&
    (isProven(card, settling, found) || (yield* isAsAsked(write, card, settling)))
  if (!isOwn) {
    yield* Effect.logError("Another card stands under the key of a write", { issue_id: card.id })
    return unresolvable(
      "The card that Tasker shows under the key of this write is not as this write asked: an earlier write under the same key may have made it."
    )
  }
  if (found.found !== true || settling.send === undefined || !lacks(write, card)) {
    return done({ _tag: "Issue", issue: card }, found)
  }
  return yield* Effect.match(
    settling.held(settling.tasker.completeIssue({ ...settling.who, upstreamKey: settling.key }, write, card)),
    {
      onFailure: (failed): Settled =>
        failed._tag === "Ambiguous" ? inDoubt(failed) : done({ _tag: "Issue", issue: card }, found),
      onSuccess: (issue): Settled => done({ _tag: "Issue", issue }, found)
    }
  )
})

/** True if the card has none of the labels or none of the assignees that the create asked for. */
const lacks = (write: CreateIssue, card: TaskerIssue): boolean =>
  (write.label_ids.length > 0 && card.label_ids.length === 0) ||
  (write.assignee_ids.length > 0 && card.assignee_ids.length === 0)

export const doneIfOwnComment = Effect.fnUntraced(function* (
  write: AddComment,
  comment: CommentWritten & { readonly external_id?: string | null },
  settling: Settling,
  found: Found
): Effect.fn.Return<Settled> {
  const isOwn =
    !isForeign(comment, settling) &&
    (isProven(comment, settling, found) ||
      (yield* settling.texts.same(write.comment_html, comment.comment_html)))
  if (isOwn) return done({ _tag: "Comment", comment }, found)
  yield* Effect.logError("Another comment stands under the key of a write", { comment_id: comment.id })
  return unresolvable(
    "The comment that Tasker shows under the key of this write is not as this write asked: an earlier write under the same key may have made it."
  )
})

/** Reads the card that Tasker's 409 names. An archived one is not read by its id, but found by its mark. */
export const findNamedCard = Effect.fnUntraced(function* (
  id: IssueId,
  write: CreateIssue,
  settling: Settling
): Effect.fn.Return<Settled, TaskerError> {
  const { key, tasker, who } = settling
  const { project_id } = write
  const card = yield* tasker.issue(who, { project_id, issue_id: id })
  if (card !== undefined) return yield* doneIfOwnCard(write, card, settling, { found: true })
  const look = yield* tasker.findIssue(who, { project_id, external_id: key })
  return look._tag === "Found" && look.value.id === id
    ? yield* doneIfOwnCard(write, look.value, settling, { found: true })
    : unresolvable("Tasker names a card for this key that it does not show.")
})

/** Reads the comment that Tasker's 409 names. */
export const findNamedComment = Effect.fnUntraced(function* (
  id: CommentId,
  write: AddComment,
  settling: Settling
): Effect.fn.Return<Settled, TaskerError> {
  const { comment_html, issue_id, project_id } = write
  const look = yield* settling.tasker.comment(settling.who, { project_id, issue_id, comment_id: id })
  switch (look._tag) {
    case "Found":
      return yield* doneIfOwnComment(write, look.value, settling, { found: true })
    case "Absent":
      return unresolvable("Tasker names a comment for this key that it does not show on this card.")
    case "Hidden":
    case "Inconclusive":
    case "Failing":
      return lookedInVain(look.because)
    case "Unsupported":
      // By its 409 Tasker says that the comment is there; this Tasker can't show it.
      return done(
        { _tag: "Comment", comment: { id, issue_id, comment_html, created_at: null } },
        { found: true }
      )
  }
})
