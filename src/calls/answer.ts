import { Effect, Option } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Warning } from "../domain/Issue.ts"
import { versionOf } from "../domain/IssueVersion.ts"
import type { Answer } from "../domain/Operation.ts"
import type { Copies, TaskerIssue } from "../domain/Tasker.ts"
import type { CommentWritten, Write } from "../domain/Write.ts"
import type { AgentTexts } from "../services/Texts.ts"
import type { Board } from "../tools/Board.ts"
import { bareView, commentView, issueView } from "../tools/present.ts"
import type { Done } from "./Settled.ts"
import { unmetComment } from "./unmet.ts"
import { warningsOf } from "./warnings.ts"

/** The answer to a write, as it is kept for every later call with its key. */

/** Longest wait for the names on a card that was just written; without them ids are shown. */
const namesPatience = "2 seconds"

/** Builds the answer. What differs from the request, and a double, stand in `warnings`. */
export const answerOf = (
  { copies, found, written }: Pick<Done, "written" | "found" | "copies">,
  write: Write,
  before: Change["before"],
  board: Board,
  texts: AgentTexts<never>
): Effect.Effect<Answer> => {
  const doubles = copies === undefined ? [] : [doubledWarning(copies, written._tag === "Comment")]
  return written._tag === "Comment"
    ? commentAnswer(written.comment, write, found, doubles, texts)
    : issueAnswer(written.issue, write, { before, found, doubles }, board, texts)
}

const commentAnswer = Effect.fnUntraced(function* (
  comment: CommentWritten,
  write: Write,
  found: boolean,
  doubles: ReadonlyArray<Warning>,
  texts: AgentTexts<never>
): Effect.fn.Return<Answer> {
  const asked = write._tag === "AddComment" ? write.comment_html : ""
  const differs =
    comment.created_at === null
      ? [notCompared]
      : yield* unmetComment(asked, comment.comment_html, found, texts)
  return { comment: yield* commentView(comment, texts), warnings: [...doubles, ...differs] }
})

const issueAnswer = Effect.fnUntraced(function* (
  issue: TaskerIssue,
  write: Write,
  {
    before,
    doubles,
    found
  }: {
    readonly before: Change["before"]
    readonly doubles: ReadonlyArray<Warning>
    readonly found: boolean
  },
  board: Board,
  texts: AgentTexts<never>
): Effect.fn.Return<Answer> {
  // The change is made: that its names can't be had now must not turn it into a failure.
  const context = Option.getOrUndefined(
    yield* board.contextFor([issue]).pipe(Effect.timeout(namesPatience), Effect.option)
  )
  const shown = yield* context === undefined ? bareView(issue, texts) : issueView(issue, context, texts)
  const differs =
    write._tag === "AddComment" ? [] : yield* warningsOf(write, issue, { before, context, found }, texts)
  return { issue: { ...shown, version: versionOf(issue) }, warnings: [...doubles, ...differs] }
})

const notCompared = {
  field: "comment",
  message: "Tasker had this comment already and can't show it, so its text was not compared."
}

/** Says that one write made more than one thing, and which. */
export const doubledWarning = ({ ids }: Copies, isComment: boolean): Warning => ({
  field: isComment ? "comment" : "issue",
  message: `Tasker holds more than one ${isComment ? "comment" : "card"} of this one write${ids.length > 1 ? `: ${ids.join(", ")}` : ", whose ids it does not show"}. A request that was thought lost was executed as well. Tell the owner, who can delete the surplus one in Tasker.`
})

/** The card that an answer is about. */
export const issueIdOf = (answer: Answer) => answer.issue?.id ?? answer.comment?.issue_id ?? null
