import { Effect } from "effect"
import type { Issue } from "../domain/Issue.ts"
import type { Answer } from "../domain/Operation.ts"
import type { Write, Written } from "../domain/Write.ts"
import type { Board } from "../tools/Board.ts"
import { bareView, commentView } from "../tools/present.ts"
import { unmet, unmetComment } from "./unmet.ts"

/** What a change came to, as it is kept for every later call with its key. */

/** How long the names of a card that was just written may take; its ids will do if they take longer. */
const namesPatience = "2 seconds"

/** What Tasker says it did, held against what was asked: what did not take stands in `warnings`. */
export const answerOf = (written: Written, write: Write, board: Board): Effect.Effect<Answer> => {
  if (written._tag === "Comment") {
    const { comment } = written
    const asked = write._tag === "AddComment" ? write.comment_html : ""
    return Effect.succeed({
      comment: commentView(comment),
      warnings: comment.created_at === null ? [notCompared] : unmetComment(asked, comment.comment_html)
    })
  }
  const { issue } = written
  const bare = Effect.sync((): Issue => bareView(issue))
  return board.view(issue).pipe(
    // The change is made: that its names can't be had just now must not turn it into a failure.
    Effect.timeoutOrElse({ duration: namesPatience, orElse: () => bare }),
    Effect.catch(() => bare),
    Effect.map((view) => ({ issue: view, warnings: write._tag === "AddComment" ? [] : unmet(write, issue) }))
  )
}

const notCompared = {
  field: "comment",
  message: "Tasker had this comment already and can't show it, so its text was not compared."
}

/** The card that an answer is about. */
export const issueIdOf = (answer: Answer) => answer.issue?.id ?? answer.comment?.issue_id ?? null
