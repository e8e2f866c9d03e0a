import { Effect } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import type {
  CommentMark,
  CommentQuery,
  Copies,
  ListedComment,
  Look,
  Mark,
  Page
} from "../../domain/Tasker.ts"
import type { OnBehalf, TaskerAdapter, TaskerError } from "../../services/TaskerAdapter.ts"
import * as FailingLooks from "./failingLooks.ts"
import * as Calls from "./taskerCalls.ts"
import type { Capabilities } from "./taskerCapabilities.ts"
import type { ServerError } from "./taskerFailures.ts"
import * as Marks from "./taskerMarks.ts"
import { found } from "./taskerMarks.ts"

/** Looks for what one write made: the adapter's calls that settling and recovery depend on. */

/** A card with more comments than this many pages is searched no further. */
const searchedPages = 80
/** Few enough that a page of the longest comments is no response too large to be read. */
const commentsAtOnce = 25

type Looks = Pick<TaskerAdapter["Service"], "findIssue" | "findComment" | "comment" | "copies">

export const make = (
  ask: <A>(call: Calls.Call<A>) => Effect.Effect<A, TaskerError>,
  lookUp: <A>(call: Calls.Call<A>) => Effect.Effect<A, TaskerError | ServerError>,
  capabilities: Capabilities
): Looks => {
  const failing = FailingLooks.make(ask, lookUp)
  const marks = Marks.make(lookUp, capabilities)
  const unsupported = (who: OnBehalf, projectId: ProjectId) =>
    Effect.map(
      marks.recognisesRepeats(who, projectId),
      (recognisesRepeats): Look<ListedComment> => ({ _tag: "Unsupported", recognisesRepeats })
    )

  const findIssue = (who: OnBehalf, mark: Mark) => {
    const { external_id, project_id } = mark
    return lookUp(Calls.listIssues(who, { project_id, external_id, limit: 2 })).pipe(
      Effect.flatMap(({ results }) => marks.shown(who, mark, results)),
      Effect.catchTag("Ambiguous", () =>
        Effect.flatMap(failing.newest(who, project_id, external_id), (cards) =>
          cards.length > 0 ? Effect.succeed(found(cards)) : failing.aside(who, project_id)
        )
      )
    )
  }

  /** `isIt` returns undefined of a comment that does not show what it is recognised by. */
  const searchComments = Effect.fnUntraced(
    function* (who: OnBehalf, on: CommentQuery, isIt: (comment: ListedComment) => boolean | undefined) {
      const { project_id, issue_id } = on
      let cursor: string | null = null
      for (let pages = 0; pages < searchedPages; pages++) {
        const query = {
          project_id,
          issue_id,
          limit: commentsAtOnce,
          ...(cursor === null ? {} : { cursor })
        }
        const page: Page<ListedComment> = yield* lookUp(Calls.listComments(who, query))
        const comment = page.results.find((one) => isIt(one) === true)
        if (comment !== undefined) return found([comment])
        if (page.results.some((one) => isIt(one) === undefined)) return yield* unsupported(who, project_id)
        if (page.next_cursor === null) return found<ListedComment>([])
        cursor = page.next_cursor
      }
      return {
        _tag: "Inconclusive",
        because: `The card has more comments than are searched (${searchedPages * commentsAtOnce}).`
      } satisfies Look<ListedComment> as Look<ListedComment>
    },
    (look, who, { project_id }) =>
      Effect.catchTags(look, {
        Ambiguous: () => failing.aside(who, project_id),
        TaskerFailure: (failure) =>
          failure.reason === "unsupported"
            ? Effect.map(
                marks.recognisesRepeats(who, project_id),
                (recognisesRepeats): Look<ListedComment> => ({ _tag: "Unsupported", recognisesRepeats })
              )
            : Effect.fail(failure)
      })
  )

  const copies = Effect.fnUntraced(
    function* (who: OnBehalf, mark: Mark | CommentMark) {
      const { external_id, project_id } = mark
      if ("issue_id" in mark) {
        const { issue_id } = mark
        const { results } = yield* lookUp(
          Calls.listComments(who, { project_id, issue_id, limit: commentsAtOnce })
        )
        return counted(results.filter((comment) => comment.external_id === external_id))
      }
      const { results } = yield* lookUp(Calls.listIssues(who, { project_id, external_id, limit: 2 }))
      const look = yield* marks.shown(who, mark, results)
      if (look._tag !== "Found") return counted([])
      if (look.others.length > 0) yield* capabilities.note("repeat_detection", "no")
      return counted([look.value, ...look.others.map((id) => ({ id }))])
    },
    (counting, who, mark) =>
      Effect.catchTag(counting, "Ambiguous", ({ failure }) =>
        "issue_id" in mark
          ? Effect.fail(failure)
          : Effect.zipWith(
              failing.newest(who, mark.project_id, mark.external_id),
              failing.aside(who, mark.project_id),
              (cards) => ({ ...counted(cards), several: true })
            )
      )
  )

  return {
    findIssue,
    findComment: (who, { external_id, ...on }) =>
      searchComments(who, on, (comment) =>
        comment.external_id === undefined ? undefined : comment.external_id === external_id
      ),
    comment: (who, { comment_id, ...on }) => searchComments(who, on, ({ id }) => id === comment_id),
    copies
  }
}

const counted = (items: ReadonlyArray<{ readonly id: string }>): Copies => ({
  ids: items.map(({ id }) => id),
  several: items.length > 1
})
