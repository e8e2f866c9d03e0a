import type { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import type { ListQuery } from "./Calls.ts"
import { type Card, cardColumns, decodeCards } from "./Card.ts"
import { pagingOf } from "./Cursor.ts"
import { fold } from "./Projects.ts"
import { doubled } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

export interface IssuePage {
  readonly results: ReadonlyArray<Card>
  readonly next_cursor: string | null
  readonly total_count: number
}

const decodeTotal = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ total: Schema.Int })]))

/**
 * Lists cards, newest first by creation, so that an edit moves no card to another page. Archived and draft
 * cards are found by their external id only.
 */
export const listing = (sql: PgClient.PgClient) => {
  const columns = sql.literal(cardColumns)
  const visible = sql`not i.archived and not i.draft`

  const matching = (query: ListQuery) =>
    sql.and([
      sql`i.project_id = ${query.project_id}`,
      ...(query.issue_id === undefined ? [] : [sql`i.id = ${query.issue_id}`]),
      ...(query.identifier === undefined
        ? []
        : [sql`p.identifier || '-' || i.sequence_id = ${query.identifier.toUpperCase()}`]),
      query.external_id === undefined ? visible : sql`i.external_id = ${query.external_id}`,
      ...(query.state_id === undefined ? [] : [sql`i.state_id = ${query.state_id}`]),
      ...(query.label_id === undefined ? [] : [sql`${query.label_id} = any(i.label_ids)`]),
      ...(query.assignee_id === undefined ? [] : [sql`${query.assignee_id} = any(i.assignee_ids)`]),
      ...(query.priority === undefined ? [] : [sql`i.priority = ${query.priority}`]),
      ...(query.search === undefined ? [] : [sql`position(${fold(query.search)} in i.name_folded) > 0`]),
      ...(query.updated_after === undefined ? [] : [sql`i.updated_at > ${query.updated_after}::timestamptz`])
    ])

  const all = (projectId: string) => sql`
    select ${columns} from issues i join projects p on p.id = i.project_id
    where i.project_id = ${projectId} and ${visible}
    order by i.created_at desc, i.id desc`

  const count = (query: ListQuery) =>
    Effect.map(
      Effect.flatMap(
        sql`select count(*)::int as total from issues i join projects p on p.id = i.project_id
          where ${matching(query)}`,
        decodeTotal
      ),
      ([{ total }]) => total
    )

  return Effect.fn("Issues.list")(function* (query: ListQuery, switches: Switches) {
    if (switches.only_by_project) {
      const results = yield* Effect.flatMap(all(query.project_id), decodeCards)
      return { results, next_cursor: null, total_count: results.length }
    }
    const { after, limit, next, offset } = yield* pagingOf(query, switches)
    const rows = yield* Effect.flatMap(
      sql`
        select ${columns} from issues i join projects p on p.id = i.project_id
        where ${matching(query)}
        ${after === undefined ? sql`` : sql`and (i.created_at, i.id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
        order by i.created_at desc, i.id desc
        offset ${offset} limit ${limit + 1}`,
      decodeCards
    )
    const results = rows.slice(0, limit)
    const last = rows.length > limit ? results.at(-1) : undefined
    const isWhole = query.cursor === undefined && last === undefined
    const total_count = isWhole ? results.length : yield* count(query)
    if (query.external_id !== undefined && switches.fail_doubled_lookup && total_count > 1) {
      return yield* doubled
    }
    return { results, next_cursor: last === undefined ? null : next(last), total_count }
  })
}
