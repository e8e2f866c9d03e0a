import { Effect, Schema } from "effect"
import { CommentId, IssueId } from "../domain/Ids.ts"
import { Person } from "../domain/Issue.ts"
import { htmlToMarkdown } from "../domain/Markdown.ts"
import { stripInvisible } from "../domain/PlainText.ts"
import { cursor, issueId, limit } from "./fields.ts"
import { countFitting, longestFitting } from "./size.ts"
import { readTool } from "./Tool.ts"

const CommentListed = Schema.Struct({
  id: CommentId,
  issue_id: IssueId,
  comment: Schema.String,
  author: Person,
  created_at: Schema.String,
  truncated: Schema.optionalKey(Schema.Literal(true))
})

export const listComments = readTool({
  name: "tasker_list_comments",
  title: "Read a card's comments",
  description: "Lists a card's comments as Markdown. Go on with next_cursor.",
  scope: "issue:read",
  input: { issue_id: issueId, cursor, limit },
  output: { comments: Schema.Array(CommentListed), next_cursor: Schema.NullOr(Schema.String) },
  run: Effect.fnUntraced(function* (args, board) {
    yield* board.issue(args.issue_id)
    const read = (limit: number) =>
      Effect.map(
        board.tasker.listComments(board.who, {
          project_id: board.projectId,
          issue_id: args.issue_id,
          limit,
          ...(args.cursor === undefined ? {} : { cursor: args.cursor })
        }),
        ({ results, next_cursor }) => ({
          comments: results.map(
            ({ id, issue_id, comment_html, author, created_at }): typeof CommentListed.Type => ({
              id,
              issue_id,
              comment: htmlToMarkdown(comment_html),
              author: { id: author.id, display_name: stripInvisible(author.display_name) },
              created_at
            })
          ),
          next_cursor
        })
      )
    const whole = yield* read(args.limit ?? 20)
    const fitting = yield* countFitting(whole.comments, (comments) => ({ ...whole, comments }))
    const page = fitting === whole.comments.length ? whole : yield* read(fitting)
    const [only] = page.comments
    if (page.comments.length !== 1 || only === undefined) return page
    // One comment alone may be too long for any page: it is cut, and says so.
    const shown = (comment: string) => ({
      ...page,
      comments: [
        { ...only, comment, ...(comment.length < only.comment.length ? { truncated: true as const } : {}) }
      ]
    })
    return shown(yield* longestFitting(only.comment, shown))
  })
})
