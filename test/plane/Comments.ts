import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Result } from "effect"
import { type Denial, error, fields, invalidDetail, missing } from "./Denial.ts"
import { check, choice, isDated, isUuid, text } from "./Fields.ts"
import { type Page, pageOf } from "./Paging.ts"
import type { Settings } from "./Settings.ts"
import { decodeIds, decodeItems, decodeTotal, type Item, instant, type StoreError } from "./Store.ts"
import { Writes } from "./Writes.ts"

type Failure = Denial | StoreError

export interface CommentWrite {
  readonly userId: string
  readonly projectId: string
  readonly issueId: string
  readonly body: Readonly<Record<string, unknown>>
  readonly settings: Settings
}

/** Checks a comment's fields. The text is not sanitised, and may be empty or absent. */
const checks = {
  comment_html: text({ blank: true }),
  access: choice("INTERNAL", "EXTERNAL"),
  external_source: text({ blank: true, max: 255, nullable: true }),
  external_id: text({ blank: true, max: 255, nullable: true })
}

const invalid = error(400, "The payload is not valid")

const commentItem = (
  updatedBy: string
) => `json_build_object('id', c.id, 'created_at', ${instant("c.created_at")},
  'updated_at', ${instant("c.updated_at")}, 'deleted_at', null, 'comment_html', c.comment_html, 'attachments', '[]'::json,
  'access', c.access, 'external_source', c.external_source, 'external_id', c.external_id, 'edited_at', null,
  'created_by', c.created_by, 'updated_by', ${updatedBy}, 'project', c.project_id, 'workspace', p.workspace_id,
  'description', c.description, 'issue', c.issue_id, 'actor', c.actor, 'parent', null) as item`

/** Reads and adds comments by the project in the path, which need not be the card's. */
export class Comments extends Context.Service<
  Comments,
  {
    /** Lists the newest first. A card that does not exist has none. */
    readonly list: (
      projectId: string,
      issueId: string,
      query: Readonly<Record<string, string>>,
      settings: Settings
    ) => Effect.Effect<
      { readonly page: Page; readonly total: number; readonly comments: ReadonlyArray<Item> },
      Failure
    >
    readonly get: (projectId: string, issueId: string, commentId: string) => Effect.Effect<Item, Failure>
    readonly add: (write: CommentWrite) => Effect.Effect<Item, Failure>
  }
>()("reference-plane/Comments") {
  static readonly layer = Layer.effect(
    Comments,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const writes = yield* Writes
      const items = (rows: Effect.Effect<unknown, StoreError>) =>
        Effect.map(Effect.flatMap(rows, decodeItems), (found) => found.map(({ item }) => item))
      const comments = sql.literal(
        `select ${commentItem("null::uuid")} from comments c join projects p on p.id = c.project_id`
      )
      const member = (item: Item): Item => ({ ...item, is_member: true })

      const list: Comments["Service"]["list"] = Effect.fnUntraced(
        function* (projectId, issueId, query, settings) {
          const page = yield* Effect.fromResult(pageOf(query, settings))
          const found = yield* items(sql`
            ${comments} where c.issue_id = ${issueId} and c.project_id = ${projectId}
            order by c.created_at desc, c.id limit ${page.perPage} offset ${page.offset}`)
          const [{ total }] = yield* Effect.flatMap(
            sql`select count(*)::int as total from comments
              where issue_id = ${issueId} and project_id = ${projectId}`,
            decodeTotal
          )
          return { page, total, comments: found.map(member) }
        }
      )

      const get: Comments["Service"]["get"] = Effect.fnUntraced(function* (projectId, issueId, commentId) {
        const [found] = yield* items(sql`
          ${comments} where c.id = ${commentId} and c.issue_id = ${issueId} and c.project_id = ${projectId}`)
        return found === undefined ? yield* missing : member(found)
      })

      const holder = ({ issueId, projectId, settings }: CommentWrite, source: string, externalId: string) =>
        Effect.flatMap(
          sql`select id from comments where project_id = ${projectId} and external_source = ${source}
            and external_id = ${externalId} and (issue_id = ${issueId} or ${settings.comment_ids_by_project})
            order by created_at desc limit 1`,
          decodeIds
        )

      const standing = ({ issueId, projectId, settings }: CommentWrite) =>
        sql`select id from issues where id = ${issueId}
          and (${settings.comment_anywhere} or (project_id = ${projectId} and deleted_at is null))`

      /** Finds the body's author. Returns undefined if there is no such user. */
      const author = ({ body, settings, userId }: CommentWrite) => {
        const given = body.created_by
        if (!settings.honour_created_by || given === undefined || given === null)
          return Effect.succeed(userId)
        if (!isUuid(given)) return Effect.succeed(undefined)
        return Effect.map(
          Effect.flatMap(sql`select id from users where id = ${given}`, decodeIds),
          ([user]) => user?.id
        )
      }

      const insert = Effect.fnUntraced(function* (write: CommentWrite, checked: Checked) {
        const { body, issueId, projectId, userId } = write
        const createdBy = yield* author(write)
        const createdAt = isDated(body) && body.created_at ? String(body.created_at) : null
        const [made] = yield* items(sql`
          with c as (
            insert into comments (project_id, issue_id, comment_html, access, actor, external_source, external_id,
              created_by, created_at)
            values (${projectId}, ${issueId}, ${checked.comment_html ?? "<p></p>"}, ${checked.access ?? "INTERNAL"},
              ${userId}, ${checked.external_source ?? null}, ${checked.external_id ?? null}, ${createdBy ?? userId},
              coalesce(${createdAt}::timestamptz, clock_timestamp()))
            returning *
          )
          select ${sql.literal(commentItem("c.actor"))} from c join projects p on p.id = c.project_id`)
        if (made === undefined) return yield* missing
        yield* writes.log({
          whole: true,
          op: "comment",
          userId,
          projectId,
          issueId,
          commentId: String(made.id),
          externalId: checked.external_id ?? null,
          body
        })
        // Measured: only this response has the author as the actor; afterwards it is the key's user.
        return { author: createdBy, item: { ...made, actor: createdBy } }
      }, sql.withTransaction)

      const add: Comments["Service"]["add"] = Effect.fn("Plane.comment")(function* (write) {
        const { body, issueId, projectId, settings } = write
        const result = check(checks, body)
        if (Result.isFailure(result)) return yield* fields(result.failure as Record<string, unknown>)
        const checked = result.success
        const { external_id, external_source } = checked
        const lookAndInsert = Effect.gen(function* () {
          if (external_id && external_source) {
            const [other] = yield* holder(write, external_source, external_id)
            const text = "Work item comment with the same external id and external source already exists"
            if (other !== undefined) return yield* error(409, text, { id: other.id })
          }
          const card = yield* standing(write)
          if (card.length === 0) return yield* invalid
          yield* Effect.sleep(settings.gap_ms)
          return yield* insert(write, checked)
        })
        const made = yield* settings.race_external_ids
          ? lookAndInsert
          : sql.withTransaction(
              Effect.andThen(
                sql`select pg_advisory_xact_lock(hashtextextended(${`${projectId} ${external_id}`}, 1))`,
                lookAndInsert
              )
            )
        // Measured: these are refused after the comment was added.
        if (!isDated(body)) return yield* invalidDetail
        if (made.author === undefined) return yield* invalid
        yield* writes.bump(issueId)
        return made.item
      })

      return { list, get, add }
    })
  )
}

type Checked = Result.Result.Success<ReturnType<typeof check<typeof checks>>>
