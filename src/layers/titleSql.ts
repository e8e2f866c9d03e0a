import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Statement } from "effect/sql/Statement"

/** A title that a write gave up is free, or again that of the write from which it was taken on purpose. */
export const returnTitle = (sql: PgClient, operationId: string): Statement<unknown> => sql`
  with given_back as (
    update recent_titles
    set operation_id = previous_operation_id, reserved_at = previous_reserved_at,
        previous_operation_id = null, previous_reserved_at = null
    where operation_id = ${operationId}::uuid and previous_operation_id is not null
  )
  delete from recent_titles where operation_id = ${operationId}::uuid and previous_operation_id is null`
