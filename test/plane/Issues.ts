import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer } from "effect"
import { type Card, cardColumns, decodeCards } from "./Card.ts"
import { type Denial, internal, missing } from "./Denial.ts"
import { type Page, pageOf } from "./Paging.ts"
import type { Settings } from "./Settings.ts"
import { decodeIds, decodeItems, decodeTotal, type Item, type StoreError } from "./Store.ts"

type Failure = Denial | StoreError
type Query = Readonly<Record<string, string>>

/** Maps the fields by which a list can be ordered to their columns. */
const columns: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    (
      "id name sequence_id created_at updated_at sort_order start_date target_date completed_at archived_at " +
      "external_id is_draft created_by description_html"
    )
      .split(" ")
      .map((name) => [name, `i.${name}`])
  ),
  priority: "array_position(array['urgent', 'high', 'medium', 'low', 'none'], i.priority)",
  state: "i.state_id",
  parent: "i.parent_id"
}

/** Reads cards. */
export class Issues extends Context.Service<
  Issues,
  {
    /** Finds a card that is neither archived nor draft nor deleted. */
    readonly byId: (projectId: string, issueId: string) => Effect.Effect<Card, Failure>
    readonly byNumber: (projectId: string, sequenceId: number) => Effect.Effect<Card, Failure>
    /** Finds archived and draft cards as well. Fails with a 500 if two cards share the external id. */
    readonly byExternalId: (
      projectId: string,
      source: string,
      externalId: string,
      settings: Settings
    ) => Effect.Effect<Card, Failure>
    /** Finds the id of the newest card with an external id, archived and draft ones included. */
    readonly holder: (
      projectId: string,
      source: string,
      externalId: string
    ) => Effect.Effect<string | undefined, Failure>
    /** Finds any card that is not deleted, also one that is archived or a draft. */
    readonly any: (projectId: string, issueId: string) => Effect.Effect<Card, Failure>
    readonly list: (
      projectId: string,
      query: Query,
      settings: Settings
    ) => Effect.Effect<
      { readonly page: Page; readonly total: number; readonly cards: ReadonlyArray<Card> },
      Failure
    >
    /** Finds name, id and number of cards in the projects of a user. */
    readonly search: (
      workspaceId: string,
      userId: string,
      query: Query
    ) => Effect.Effect<ReadonlyArray<Item>, Failure>
  }
>()("reference-plane/Issues") {
  static readonly layer = Layer.effect(
    Issues,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const cards = sql.literal(`select ${cardColumns} from issues i join projects p on p.id = i.project_id`)
      const shown = sql`i.archived_at is null and not i.is_draft and i.deleted_at is null`
      const one = (rows: Effect.Effect<unknown, StoreError>) =>
        Effect.flatMap(Effect.flatMap(rows, decodeCards), ([card]) =>
          card === undefined ? Effect.fail(missing) : Effect.succeed(card)
        )
      const sharing = (projectId: string, source: string, externalId: string) => sql`
        i.project_id = ${projectId} and i.external_source = ${source} and i.external_id = ${externalId}
        and i.deleted_at is null order by i.created_at desc`

      const byExternalId: Issues["Service"]["byExternalId"] = Effect.fnUntraced(
        function* (projectId, source, externalId, settings) {
          const found = yield* Effect.flatMap(
            sql`${cards} where ${sharing(projectId, source, externalId)}`,
            decodeCards
          )
          if (found.length > 1 && settings.fail_doubled_lookup) return yield* internal
          return found[0] ?? (yield* missing)
        }
      )

      const list: Issues["Service"]["list"] = Effect.fnUntraced(function* (projectId, query, settings) {
        const orderBy = query.order_by || "-created_at"
        const column = columns[orderBy.replace(/^-/, "")]
        if (column === undefined) return yield* internal
        const page = yield* Effect.fromResult(pageOf(query, settings))
        const found = yield* Effect.flatMap(
          sql`${cards} where i.project_id = ${projectId} and ${shown}
            order by ${sql.literal(`${column} ${orderBy.startsWith("-") ? "desc" : "asc"} nulls last`)},
              i.created_at, i.id
            limit ${page.perPage} offset ${page.offset}`,
          decodeCards
        )
        const [{ total }] = yield* Effect.flatMap(
          sql`select count(*)::int as total from issues i where i.project_id = ${projectId} and ${shown}`,
          decodeTotal
        )
        return { page, total, cards: found }
      })

      const search: Issues["Service"]["search"] = (workspaceId, userId, query) => {
        const text = query.search ?? ""
        const digits = /\d+/.exec(text)?.[0] ?? null
        const limit = Number(query.limit ?? 10)
        return Effect.map(
          Effect.flatMap(
            sql`
              select json_build_object('name', i.name, 'id', i.id, 'sequence_id', i.sequence_id,
                'project__identifier', p.identifier, 'project_id', p.id, 'workspace__slug', w.slug) as item
              from issues i join projects p on p.id = i.project_id join workspaces w on w.id = p.workspace_id
              join project_members m on m.project_id = p.id and m.user_id = ${userId} and m.active
              where p.workspace_id = ${workspaceId} and ${shown} and ${text} <> ''
                and p.id = coalesce(${query.project_id ?? null}::uuid, p.id)
                and (position(lower(${text}) in lower(i.name)) > 0 or i.sequence_id::text = ${digits})
              order by i.created_at desc limit ${limit}`,
            decodeItems
          ),
          (rows) => rows.map(({ item }) => item)
        )
      }

      return {
        byId: (projectId, issueId) =>
          one(sql`${cards} where i.id = ${issueId} and i.project_id = ${projectId} and ${shown}`),
        byNumber: (projectId, sequenceId) =>
          one(sql`${cards} where i.sequence_id = ${sequenceId} and i.project_id = ${projectId} and ${shown}`),
        byExternalId,
        holder: (projectId, source, externalId) =>
          Effect.map(
            Effect.flatMap(
              sql`select i.id from issues i where ${sharing(projectId, source, externalId)} limit 1`,
              decodeIds
            ),
            ([newest]) => newest?.id
          ),
        any: (projectId, issueId) =>
          one(sql`${cards} where i.id = ${issueId} and i.project_id = ${projectId} and i.deleted_at is null`),
        list,
        search
      }
    })
  )
}
