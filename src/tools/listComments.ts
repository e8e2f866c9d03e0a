import { Effect, Schema, Struct } from "effect"
import { CommentId, IssueId } from "../domain/Ids.ts"
import { Person } from "../domain/Issue.ts"
import type { ListedComment } from "../domain/Tasker.ts"
import type { Naming } from "../text/HtmlTree.ts"
import { cursor, issueId, limit } from "./fields.ts"
import { markdownOf, plain } from "./present.ts"
import { countFitting, longestAnswer, longestFitting } from "./size.ts"
import { readTool } from "./Tool.ts"

const CommentListed = Schema.Struct({
  id: CommentId,
  issue_id: IssueId,
  comment: Schema.String,
  author: Person,
  created_at: Schema.String,
  truncated: Schema.optionalKey(Schema.Literal(true))
})

type CommentListed = typeof CommentListed.Type

const listed = (
  { author, comment_html, created_at, id, issue_id }: ListedComment,
  naming: Naming
): CommentListed => ({
  id,
  issue_id,
  comment: markdownOf(comment_html, naming),
  author: { id: author.id, display_name: plain(author.display_name) },
  created_at
})

export const listComments = readTool({
  name: "tasker_list_comments",
  title: "Read a card's comments",
  description: "Lists a card's comments as Markdown. Go on with next_cursor.",
  scope: "issue:read",
  input: { issue_id: issueId, cursor, limit },
  output: { comments: Schema.Array(CommentListed), next_cursor: Schema.NullOr(Schema.String) },
  run: Effect.fnUntraced(function* (args, board) {
    const converted = new Map<string, CommentListed>()
    const read = Effect.fnUntraced(function* (limit: number) {
      const after = args.cursor === undefined ? {} : { cursor: args.cursor }
      const { next_cursor, results } = yield* board.comments(args.issue_id, { limit, ...after })
      const naming = yield* board.naming(results.map(({ comment_html }) => comment_html))
      const comments: Array<CommentListed> = []
      let room = longestAnswer
      for (const result of results) {
        if (room <= 0) break
        const comment = converted.get(result.id) ?? listed(result, naming)
        converted.set(result.id, comment)
        comments.push(comment)
        room -= comment.comment.length
        // Long comments take a while to convert, and others wait for the same thread.
        yield* Effect.yieldNow
      }
      return { next_cursor, comments, all: comments.length === results.length }
    })
    const { all, ...whole } = yield* read(args.limit ?? 20)
    const fitting = yield* countFitting(whole.comments, (comments) => ({ ...whole, comments }))
    const page = all && fitting === whole.comments.length ? whole : Struct.omit(yield* read(fitting), ["all"])
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
