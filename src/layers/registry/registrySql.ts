import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import { Uuid } from "../../domain/Ids.ts"
import type { PageRequest } from "../../domain/Page.ts"
import { positionOf, take } from "../database/page.ts"

/** Rows of one column, `item`, decoded. */
export const items = <A>(item: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ item })))
  return (statement: Statement<unknown>) =>
    Effect.map(Effect.flatMap(statement, decode), (rows) => rows.map((row) => row.item))
}

/** Where a page ended: the row's `created_at` in microseconds, and its id, since instants can be equal. */
const Position = Schema.fromJsonString(
  Schema.Tuple([Schema.String.check(Schema.isPattern(/^\d{1,18}$/)), Uuid])
)
const positionIn = positionOf(Position)

/**
 * One page of a list, newest first, of a table that goes by the name `row`. `select` makes the
 * statement from the columns that say a row's position and the clauses that cut the page out.
 */
export const page = <A>(
  sql: PgClient,
  item: Schema.Codec<A, unknown>,
  request: PageRequest,
  select: (position: Fragment, cut: Fragment) => Statement<unknown>
) => {
  const decode = Schema.decodeUnknownEffect(
    Schema.Array(Schema.Struct({ item, at: Schema.String, id: Schema.String }))
  )
  return Effect.gen(function* () {
    const from = yield* positionIn(request.cursor)
    const after =
      from === undefined
        ? sql`true`
        : sql`(row.created_at, row.id) < ('epoch'::timestamptz + ${from[0]}::bigint * interval '1 microsecond', ${from[1]}::uuid)`
    const rows = yield* Effect.flatMap(
      select(
        sql`(extract(epoch from row.created_at) * 1000000)::bigint::text as at, row.id::text as id`,
        sql`and ${after} order by row.created_at desc, row.id desc limit ${request.limit + 1}::integer`
      ),
      decode
    )
    return take(rows, request.limit, ({ at, id }) => JSON.stringify([at, id]))
  })
}
