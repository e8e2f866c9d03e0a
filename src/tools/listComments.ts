import { Effect, Schema } from "effect"
import { CommentId, IssueId } from "../domain/Ids.ts"
import { Person } from "../domain/Issue.ts"
import type { ListedComment } from "../domain/Tasker.ts"
import type { Naming } from "../text/HtmlTree.ts"
import { cursor, issueId, limit, scanned } from "./fields.ts"
import { listFingerprint } from "./listCursor.ts"
import { readList } from "./paging.ts"
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
  description:
    "Lists a card's comments as Markdown, in Tasker's order. Go on with next_cursor until it is null.",
  scope: "issue:read",
  input: { issue_id: issueId, cursor, limit },
  output: {
    comments: Schema.Array(CommentListed),
    next_cursor: Schema.NullOr(Schema.String),
    scanned,
    truncated: Schema.optionalKey(Schema.Literal(true))
  },
  run: Effect.fnUntraced(function* (args, board) {
    const { items, upTo } = yield* readList(
      {
        list: listFingerprint({ comments: args.issue_id }),
        read: yield* board.comments(args.issue_id),
        keeps: () => true,
        order: "oldest"
      },
      args
    )
    const naming = yield* board.naming(items.map(({ comment_html }) => comment_html))
    const converted: Array<CommentListed> = []
    let room = longestAnswer
    for (const item of items) {
      if (room <= 0) break
      const comment = listed(item, naming)
      converted.push(comment)
      room -= comment.comment.length
      // Long comments take a while to convert, and others wait for the same thread.
      yield* Effect.yieldNow
    }
    const first = (comments: ReadonlyArray<CommentListed>) => ({ comments, ...upTo(comments.length) })
    const page = first(converted.slice(0, yield* countFitting(converted, first)))
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
