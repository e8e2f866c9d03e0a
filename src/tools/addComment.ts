import { Effect, Schema } from "effect"
import type { AddComment } from "../domain/Write.ts"
import { commentShown, issueId, markdown, rendered } from "./fields.ts"
import { madeComment, type Plan, writeTool } from "./Tool.ts"

export const addComment = writeTool({
  name: "tasker_add_comment",
  title: "Comment on a card",
  description: "Adds a comment, in Markdown, to a card.",
  scope: "comment:create",
  makes: "AddComment",
  input: {
    issue_id: issueId,
    comment: markdown.check(
      Schema.makeFilter((text: string) => text.trim() !== "", { message: "Expected text that is not blank" })
    )
  },
  output: { comment: commentShown },
  plan: Effect.fnUntraced(function* (args, board) {
    yield* board.issue(args.issue_id)
    return {
      write: {
        _tag: "AddComment",
        project_id: board.projectId,
        issue_id: args.issue_id,
        comment_html: yield* rendered("comment", args.comment, board.texts)
      },
      change: { before: null, after: { comment: args.comment } }
    } satisfies Plan<AddComment>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.addComment(ticket, write), madeComment)
})
