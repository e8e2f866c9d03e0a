import { Effect, Schema } from "effect"
import { CommentId, IssueId } from "../domain/Ids.ts"
import { Person, PlainText } from "../domain/Issue.ts"
import type { ListedComment } from "../domain/Tasker.ts"
import type { AgentTexts, PeopleNames } from "../services/Texts.ts"
import { cursor, issueId, limit, scanned } from "./fields.ts"
import { listFingerprint } from "./listCursor.ts"
import { readList } from "./paging.ts"
import { plain as plainLine, plainMark } from "./present.ts"
import { countFitting, longestAnswer, longestFitting } from "./size.ts"
import { readTool } from "./Tool.ts"

const CommentListed = Schema.Struct({
  id: CommentId,
  issue_id: IssueId,
  comment: Schema.String,
  plain_text: PlainText,
  author: Person,
  created_at: Schema.String,
  truncated: Schema.optionalKey(Schema.Literal(true))
})

type CommentListed = typeof CommentListed.Type

const listed = <E>(
  { author, comment_html, created_at, id, issue_id }: ListedComment,
  people: PeopleNames,
  texts: AgentTexts<E>
): Effect.Effect<CommentListed, E> =>
  Effect.map(texts.read(comment_html, people), ({ markdown, plain }) => ({
    id,
    issue_id,
    comment: markdown,
    ...plainMark(plain),
    author: { id: author.id, display_name: plainLine(author.display_name) },
    created_at
  }))

/** HTML that is converted for one page, in UTF-16 units; one comment at least, however long. */
const longestHtml = 256 * 1024

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
    const people = yield* board.people(items.map(({ comment_html }) => comment_html))
    const converted: Array<CommentListed> = []
    let room = longestAnswer
    let html = 0
    for (const item of items) {
      html += item.comment_html.length
      if (room <= 0 || (html > longestHtml && converted.length > 0)) break
      const comment = yield* listed(item, people, board.texts)
      converted.push(comment)
      room -= comment.comment.length
      // What is converted on this thread holds up no other call.
      yield* Effect.yieldNow
    }
    const first = (comments: ReadonlyArray<CommentListed>) => ({ comments, ...upTo(comments.length) })
    const page = first(converted.slice(0, yield* countFitting(board.texts, converted, first)))
    const [only] = page.comments
    if (page.comments.length !== 1 || only === undefined) return page
    // One comment alone may be too long for any page: it is cut, and says so.
    const shown = (comment: string) => ({
      ...page,
      comments: [
        { ...only, comment, ...(comment.length < only.comment.length ? { truncated: true as const } : {}) }
      ]
    })
    return shown(yield* longestFitting(board.texts, only.comment, shown))
  })
})
