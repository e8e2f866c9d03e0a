import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { type CommentBody, type CommentsQuery, defaultLimit } from "./Calls.ts"
import { fromCursor, toCursor } from "./Cursor.ts"
import { sanitise } from "./Html.ts"
import { iso, type StoreError } from "./Once.ts"
import { alreadyExists, notFound } from "./Refusal.ts"

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
    /** Oldest first. An issue that is not in the project is not found. */
    readonly list: (issueId: string, query: CommentsQuery) => Effect.Effect<CommentPage, StoreError>
    /** In the owner's name; the card itself stays as it is. */
    readonly add: (
      issueId: string,
      body: CommentBody,
      ownerId: string,
      manner: { readonly dedupeExternal: boolean }
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

      const look = (issueId: string, body: CommentBody) => sql`
        select
          exists (select from issues where id = ${issueId} and project_id = ${body.project_id}) as issue_found,
          (select id from comments where issue_id = ${issueId} and external_id = ${body.external_id ?? null}
            and external_source = ${body.external_source ?? null} limit 1) as existing_id`

      const insert = (issueId: string, body: CommentBody, html: string, ownerId: string) => sql`
        insert into comments (issue_id, comment_html, author_id, author_display_name, external_source, external_id,
          created_at)
        select ${issueId}, ${html}, id, display_name, ${body.external_source ?? null}, ${body.external_id ?? null},
          clock_timestamp()
        from members where project_id = ${body.project_id} and id = ${ownerId}
        returning ${columns}`

      const add: Comments["Service"]["add"] = Effect.fn("Comments.add")(
        function* (issueId, body, ownerId, manner) {
          const [{ issue_found, existing_id }] = yield* Effect.flatMap(look(issueId, body), decodeLook)
          if (!issue_found) return yield* notFound("No such issue in this project.")
          if (existing_id !== null && manner.dedupeExternal) return yield* alreadyExists(existing_id)
          const html = yield* sanitise("comment_html", body.comment_html)
          const [comment] = yield* Effect.flatMap(insert(issueId, body, html, ownerId), decodeComments)
          return comment ?? (yield* notFound("No such member in this project."))
        }
      )

      const list: Comments["Service"]["list"] = Effect.fn("Comments.list")(function* (issueId, query) {
        const [issue] = yield* Effect.flatMap(findIssue(issueId, query.project_id), decodeIds)
        if (issue === undefined) return yield* notFound("No such issue in this project.")
        const limit = query.limit ?? defaultLimit
        const after = query.cursor === undefined ? undefined : yield* fromCursor(query.cursor)
        const rows = yield* Effect.flatMap(
          sql`
            select ${columns} from comments where issue_id = ${issueId}
            ${after === undefined ? sql`` : sql`and (created_at, id) > (${after[0]}::timestamptz, ${after[1]}::uuid)`}
            order by comments.created_at, id
            limit ${limit + 1}`,
          decodeComments
        )
        const results = rows.slice(0, limit)
        const last = rows.length > limit ? results.at(-1) : undefined
        return { results, next_cursor: last === undefined ? null : toCursor(last.created_at, last.id) }
      })

      return { list, add }
    })
  )
}
