import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment, Statement } from "effect/sql/Statement"

/**
 * The statement's parts that let go of the titles of the operations in `changed`: such a title is free, or
 * again that of the write from which it was taken on purpose. Each part has a row for each title.
 */
export const titlesReturned = (sql: PgClient): Fragment => sql`
  given_back as (
    update recent_titles t
    set operation_id = t.previous_operation_id, reserved_at = t.previous_reserved_at,
        previous_operation_id = null, previous_reserved_at = null
    from changed where t.operation_id = changed.id and t.previous_operation_id is not null
    returning 1
  ), untitled as (
    delete from recent_titles t using changed
    where t.operation_id = changed.id and t.previous_operation_id is null
    returning 1
  )`

/** The same as a statement of its own, for one operation. */
export const returnTitle = (sql: PgClient, operationId: string): Statement<unknown> => sql`
  with changed as (select ${operationId}::uuid as id), ${titlesReturned(sql)} select`

/**
 * The statement's parts that give a write's title back and uncount it for its grant, for the operations in
 * `changed`: in the order in which reserving takes both, so that the two never wait for each other.
 */
export const unused = (sql: PgClient): Fragment => sql`, ${titlesReturned(sql)}, uncounted as (
    update grant_writes w set writes = greatest(w.writes - 1, 0)
    from changed
    where changed.counted and w.grant_id = changed.grant_id
      and w.day = (changed.created_at at time zone 'UTC')::date
      and (select count(*) from untitled) + (select count(*) from given_back) >= 0
  )`
