import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Result, Schema } from "effect"
import type { Fragment, Statement } from "effect/sql/Statement"
import { InputInvalid } from "../domain/Failure.ts"
import { Uuid } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../services/AgentRegistry.ts"

/** A grant as JSON, of a row named `g`. */
export const grantJson = (sql: PgClient): Fragment => sql`
  jsonb_build_object(
    'id', g.id, 'agent_id', g.agent_id, 'workspace_slug', g.workspace_slug, 'project_id', g.project_id,
    'scopes', g.scopes, 'expires_at', iso(g.expires_at), 'max_writes_per_day', g.max_writes_per_day,
    'created_at', iso(g.created_at), 'updated_at', iso(g.updated_at), 'revoked_at', iso(g.revoked_at)
  )`

/** The same with what only the moment says of it; judged by the database's clock. */
export const standingGrantJson = (sql: PgClient): Fragment => sql`
  ${grantJson(sql)} || jsonb_build_object(
    'expired', coalesce(g.expires_at <= now(), false),
    'writes_today', coalesce((
      select w.writes from grant_writes w
      where w.grant_id = g.id and w.day = (now() at time zone 'UTC')::date
    ), 0)
  )`

/** Rows of one column, `item`, decoded. */
export const items = <A>(item: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ item })))
  return (statement: Statement<unknown>) =>
    Effect.map(Effect.flatMap(statement, decode), (rows) => rows.map((row) => row.item))
}

/** Where a page ended: the row's `created_at` in microseconds, and its id, since instants can be equal. */
interface Position {
  readonly at: string
  readonly id: string
}

const Cursor = Schema.fromJsonString(
  Schema.Tuple([Schema.String.check(Schema.isPattern(/^\d{1,18}$/)), Uuid])
)
const decodeCursor = Schema.decodeUnknownResult(Cursor)

const before = (cursor: string | undefined): Effect.Effect<Position | undefined, InputInvalid> => {
  if (cursor === undefined) return Effect.succeed(undefined)
  const decoded = decodeCursor(Buffer.from(cursor, "base64url").toString())
  if (Result.isSuccess(decoded)) return Effect.succeed({ at: decoded.success[0], id: decoded.success[1] })
  return Effect.fail(
    new InputInvalid({
      reason: "invalid",
      message: "cursor: not one that this list gave; leave it out to start with the newest.",
      details: { errors: [{ path: "cursor", message: "Expected a next_cursor of this list" }] }
    })
  )
}

const cursorOf = ({ at, id }: Position): string => Buffer.from(JSON.stringify([at, id])).toString("base64url")

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
    const from = yield* before(request.cursor)
    const after =
      from === undefined
        ? sql`true`
        : sql`(row.created_at, row.id) < ('epoch'::timestamptz + ${from.at}::bigint * interval '1 microsecond', ${from.id}::uuid)`
    const rows = yield* Effect.flatMap(
      select(
        sql`(extract(epoch from row.created_at) * 1000000)::bigint::text as at, row.id::text as id`,
        sql`and ${after} order by row.created_at desc, row.id desc limit ${request.limit + 1}::integer`
      ),
      decode
    )
    const shown = rows.slice(0, request.limit)
    const last = shown.at(-1)
    return {
      items: shown.map((row) => row.item),
      next_cursor: rows.length > request.limit && last !== undefined ? cursorOf(last) : null
    } satisfies Page<A>
  })
}
