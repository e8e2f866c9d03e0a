import { Effect } from "effect"
import { TaskerFailure } from "../../domain/Failure.ts"
import type { IssueId, ProjectId } from "../../domain/Ids.ts"
import type { CommentMark, Copies, ListedComment, Look, Mark, TaskerIssue } from "../../domain/Tasker.ts"
import type { CommentReference, OnBehalf, TaskerError } from "../../services/TaskerAdapter.ts"
import type { ServerError } from "../tasker/taskerFailures.ts"
import { me } from "./planeBoardCalls.ts"
import * as Calls from "./planeCalls.ts"
import type { Exchange } from "./planeExchange.ts"
import { longestPage } from "./planePaths.ts"
import {
  type CommentView,
  commentOf,
  isMarked,
  type Place,
  type PlaneCommentMark,
  type PlanePage
} from "./planeShapes.ts"

/**
 * Looks for what a write made. The owner's rights are not checked: a write is settled also if its owner may not
 * make it any more.
 */
export interface Looks {
  readonly findIssue: (
    who: OnBehalf,
    place: Place,
    mark: Mark
  ) => Effect.Effect<Look<TaskerIssue>, TaskerError>
  readonly findComment: (
    who: OnBehalf,
    place: Place,
    mark: CommentMark
  ) => Effect.Effect<Look<ListedComment>, TaskerError>
  readonly comment: (
    who: OnBehalf,
    reference: CommentReference
  ) => Effect.Effect<Look<ListedComment>, TaskerError>
  readonly copies: (
    who: OnBehalf,
    place: Place,
    mark: Mark | CommentMark
  ) => Effect.Effect<Copies, TaskerError>
}

/** Pages of 1000 comments that are searched for one. */
const searchedPages = 5

export const make = (
  { ask, lookUp }: Exchange,
  viewOf: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<CommentView, TaskerError>
): Looks => {
  const card = (who: OnBehalf, place: Place, issueId: IssueId) =>
    orUndefined(ask(Calls.card(who, place, issueId)))

  const marked = (who: OnBehalf, place: Place, { external_id }: Mark) =>
    orUndefined(lookUp(Calls.cardMarked(who, place, external_id)))

  /** The newest cards under a mark: Plane fails to look it up if there are several. */
  const newest = (who: OnBehalf, { external_id, project_id }: Mark) =>
    Effect.map(ask(Calls.newestMarks(who, project_id)), ({ results }) =>
      results.filter((one) => isMarked(one, external_id))
    )

  /** A look-up that fails while Plane answers another call is that write's trouble, and no outage. */
  const orFailing = <A>(
    who: OnBehalf,
    look: Effect.Effect<Look<A>, TaskerError | ServerError>
  ): Effect.Effect<Look<A>, TaskerError> =>
    Effect.catchTag(look, "Ambiguous", () => Effect.as(ask(me(who)), failing))

  const findIssue: Looks["findIssue"] = (who, place, mark) =>
    marked(who, place, mark).pipe(
      Effect.map((known): Look<TaskerIssue> => (known === undefined ? absent : found(known))),
      Effect.catchTag(
        "Ambiguous",
        Effect.fnUntraced(function* (): Effect.fn.Return<Look<TaskerIssue>, TaskerError> {
          const [first, ...others] = yield* newest(who, mark)
          const known = first === undefined ? undefined : yield* card(who, place, first.id)
          return known === undefined ? failing : found(known, idsOf(others))
        })
      )
    )

  const readComment = Effect.fnUntraced(function* (
    who: OnBehalf,
    { comment_id, issue_id, project_id }: CommentReference
  ): Effect.fn.Return<Look<ListedComment>, TaskerError | ServerError> {
    const read = yield* orUndefined(lookUp(Calls.comment(who, { project_id, issue_id }, comment_id)))
    // The id may be that of a comment on another card: Plane keeps `external_id` unique in the whole project.
    if (read?.issue !== issue_id) return absent
    return found(commentOf(read, yield* viewOf(who, project_id)))
  })

  const searchComments = Effect.fnUntraced(function* (
    who: OnBehalf,
    place: Place,
    { external_id, issue_id, project_id }: CommentMark
  ): Effect.fn.Return<Look<ListedComment>, TaskerError | ServerError> {
    const on = { project_id, issue_id }
    let cursor: string | undefined
    for (let pages = 0; pages < searchedPages; pages++) {
      const page: PlanePage<PlaneCommentMark> = yield* lookUp(Calls.commentMarks(who, on, cursor))
      const [first, ...others] = page.results.filter((one) => isMarked(one, external_id))
      if (first !== undefined) {
        const look = yield* readComment(who, { ...on, comment_id: first.id })
        return look._tag === "Found" ? found(look.value, idsOf(others)) : look
      }
      if (page.next_cursor === null) {
        // Plane may list none of a card that it does not show, and accepts new ones on it.
        return (yield* card(who, place, issue_id)) === undefined ? hidden : absent
      }
      cursor = page.next_cursor
    }
    return inconclusive(`The card has more comments than are searched (${searchedPages * longestPage}).`)
  })

  const copies: Looks["copies"] = (who, place, mark) =>
    "issue_id" in mark
      ? lookUp(Calls.commentMarks(who, mark, undefined)).pipe(
          Effect.map(({ results }) =>
            counted(idsOf(results.filter((one) => isMarked(one, mark.external_id))))
          ),
          Effect.catchTag("Ambiguous", ({ failure }) => Effect.fail(failure))
        )
      : marked(who, place, mark).pipe(
          Effect.map((known) => counted(known === undefined ? [] : [known.id])),
          Effect.catchTag("Ambiguous", () =>
            Effect.map(newest(who, mark), (marks) => ({ ids: idsOf(marks), several: true }))
          )
        )

  return {
    findIssue,
    findComment: (who, place, mark) => orFailing(who, searchComments(who, place, mark)),
    comment: (who, reference) => orFailing(who, readComment(who, reference)),
    copies
  }
}

/** The value, or undefined if Plane says that there is none. */
export const orUndefined = <A, E>(
  reading: Effect.Effect<A, TaskerError | E>
): Effect.Effect<A | undefined, TaskerError | E> =>
  Effect.catch(reading, (error) => (isNotFound(error) ? Effect.succeed(undefined) : Effect.fail(error)))

const isNotFound = (error: unknown): boolean => error instanceof TaskerFailure && error.reason === "not_found"

const absent: Look<never> = { _tag: "Absent" }

const found = <A>(value: A, others: ReadonlyArray<string> = []): Look<A> => ({ _tag: "Found", value, others })

const inconclusive = (because: string): Look<never> => ({ _tag: "Inconclusive", because })

const failing: Look<never> = {
  _tag: "Failing",
  because:
    "Tasker fails to look up what stands under the key of this write, though it answers other calls: more than one thing may stand there."
}

const hidden: Look<never> = {
  _tag: "Hidden",
  because:
    "Tasker does not show the card any more, so its comments can't be seen: it may have been archived or deleted."
}

const idsOf = (marks: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> =>
  marks.map(({ id }) => id)

const counted = (ids: ReadonlyArray<string>): Copies => ({ ids, several: ids.length > 1 })
