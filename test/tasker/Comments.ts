import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import type { CommentBody, CommentsQuery } from "./Calls.ts"
import { pagingOf } from "./Cursor.ts"
import { sanitise } from "./Html.ts"
import { iso, type StoreError } from "./Once.ts"
import { alreadyExists, notFound, payloadInvalid } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

const Comment = Schema.Struct({
  id: Schema.String,
  issue_id: Schema.String,
  comment_html: Schema.String,
  author: Schema.Struct({ id: Schema.String, display_name: Schema.String }),
  created_at: Schema.String,
  external_id: Schema.NullOr(Schema.String)
})
export type Comment = typeof Comment.Type

export interface CommentPage {
  readonly results: ReadonlyArray<Comment>
  readonly next_cursor: string | null
}

const decodeComments = Schema.decodeUnknownEffect(Schema.Array(Comment))
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: Schema.String })))

const decodeLook = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ issue_found: Schema.Boolean, existing_id: Schema.NullOr(Schema.String) })])
)

const commentColumns = `id, issue_id, comment_html,
  json_build_object('id', author_id, 'display_name', author_display_name) as author,
  ${iso("created_at")} as created_at, external_id`

/** The comments of cards. Adding one has to run inside a transaction. */
export class Comments extends Context.Service<
  Comments,
  {
    /** Oldest first, unless switched. An issue that is not in the project is not found, or has none if switched. */
    readonly list: (
      issueId: string,
      query: CommentsQuery,
      switches: Switches
    ) => Effect.Effect<CommentPage, StoreError>
    /** In the owner's name; the card itself stays as it is. */
    readonly add: (
      issueId: string,
      body: CommentBody,
      ownerId: string,
      switches: Switches
    ) => Effect.Effect<Comment, StoreError>
  }
>()("reference-tasker/Comments") {
  static readonly layer = Layer.effect(
    Comments,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const columns = sql.literal(commentColumns)

      const findIssue = (issueId: string, projectId: string) =>
        sql`select id from issues where id = ${issueId} and project_id = ${projectId}`

      const look = (
        issueId: string,
        body: CommentBody,
        { comment_ids_by_project, comments_unbound }: Switches
      ) => sql`
        select
          exists (select from issues where id = ${issueId}
            and (project_id = ${body.project_id} or ${comments_unbound})) as issue_found,
          (select c.id from comments c join issues i on i.id = c.issue_id
            where ${comment_ids_by_project ? sql`i.project_id = ${body.project_id}` : sql`i.id = ${issueId}`}
            and c.external_id = ${body.external_id ?? null} and c.external_source = ${body.external_source ?? null}
            order by c.created_at desc limit 1) as existing_id`

      const insert = (issueId: string, body: CommentBody, html: string, ownerId: string) => sql`
        insert into comments (issue_id, comment_html, author_id, author_display_name, external_source, external_id,
          created_at)
        select ${issueId}, ${html}, id, display_name, ${body.external_source ?? null}, ${body.external_id ?? null},
          clock_timestamp()
        from members where project_id = ${body.project_id} and id = ${ownerId}
        returning ${columns}`

      const add: Comments["Service"]["add"] = Effect.fn("Comments.add")(
        function* (issueId, body, ownerId, switches) {
          const [{ issue_found, existing_id }] = yield* Effect.flatMap(
            look(issueId, body, switches),
            decodeLook
          )
          if (!issue_found) {
            return yield* switches.comments_unbound
              ? payloadInvalid
              : notFound("No such issue in this project.")
          }
          if (existing_id !== null && switches.dedupe_external) {
            return yield* alreadyExists("Work item comment", existing_id)
          }
          const html = switches.comments_verbatim
            ? body.comment_html
            : yield* sanitise("comment_html", body.comment_html)
          const [comment] = yield* Effect.flatMap(insert(issueId, body, html, ownerId), decodeComments)
          return comment ?? (yield* notFound("No such member in this project."))
        }
      )

      const list: Comments["Service"]["list"] = Effect.fn("Comments.list")(
        function* (issueId, query, switches) {
          const [issue] = yield* Effect.flatMap(findIssue(issueId, query.project_id), decodeIds)
          if (issue === undefined) {
            if (switches.comments_unbound) return { results: [], next_cursor: null }
            return yield* notFound("No such issue in this project.")
          }
          const { after, limit, next, offset } = yield* pagingOf(query, switches)
          const order = sql.literal(switches.newest_comments_first ? "desc" : "asc")
          const beyond = sql.literal(switches.newest_comments_first ? "<" : ">")
          const rows = yield* Effect.flatMap(
            sql`
            select ${columns} from comments where issue_id = ${issueId}
            ${after === undefined ? sql`` : sql`and (created_at, id) ${beyond} (${after[0]}::timestamptz, ${after[1]}::uuid)`}
            order by comments.created_at ${order}, id ${order}
            offset ${offset} limit ${limit + 1}`,
            decodeComments
          )
          const results = rows.slice(0, limit)
          const last = rows.length > limit ? results.at(-1) : undefined
          return { results, next_cursor: last === undefined ? null : next(last) }
        }
      )

      return { list, add }
    })
  )
}
