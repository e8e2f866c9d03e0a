import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import { AuditEvent } from "../../domain/AuditEvent.ts"
import type { AgentId } from "../../domain/Ids.ts"
import type { PageRequest } from "../../domain/Page.ts"
import { positionOf } from "../database/page.ts"
import { storage } from "../database/storage.ts"
import { eventColumns, shownEvent } from "./auditSql.ts"

/** An event's place in the trail, as PostgreSQL counts: a bigint. */
const largest = 9_223_372_036_854_775_807n
const Position = Schema.String.check(
  Schema.makeFilter((text: string) => /^\d{1,19}$/.test(text) && BigInt(text) <= largest)
)
const positionIn = positionOf(Position)

const EventRow = Schema.Struct({ position: Schema.BigInt, item: AuditEvent })
export type EventRow = typeof EventRow.Type
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(EventRow))

/** A page of an agent's events, newest first, with one event more than is asked for where there is one: see `take`. */
export const eventRows = Effect.fnUntraced(function* (
  sql: PgClient,
  request: PageRequest & { readonly agentId: AgentId }
) {
  const before = (yield* positionIn(request.cursor)) ?? largest.toString()
  return yield* storage(
    sql<{ position: bigint }>`
      select e.position, ${eventColumns(sql)}
      from audit_events e
      where e.agent_id = ${request.agentId} and e.position < ${before}::bigint
      order by e.position desc
      limit ${request.limit + 1}::integer`.pipe(
      Effect.flatMap((rows) =>
        decodeRows(rows.map((row) => ({ position: row.position, item: shownEvent(row) })))
      )
    )
  )
})
