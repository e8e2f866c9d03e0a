import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Schema } from "effect"
import { ChangedFields } from "../../domain/Change.ts"
import type { AgentId } from "../../domain/Ids.ts"
import { storage } from "../database/storage.ts"

/** What a page of a timeline asks besides its events. Each takes lists that are not empty. */

const rowsOf = <S extends Schema.Constraint>(row: S) => Schema.decodeUnknownEffect(Schema.Array(row))

const decodeChanges = rowsOf(
  Schema.Struct({
    event_id: Schema.String,
    place: Schema.Int,
    fits: Schema.Boolean,
    before: Schema.NullOr(ChangedFields),
    /** Null where it does not fit. */
    after: Schema.NullOr(ChangedFields)
  })
)

const decodeCards = rowsOf(
  Schema.Struct({
    id: Schema.String,
    identifier: Schema.NullOr(Schema.String),
    name: Schema.NullOr(Schema.String)
  })
)

const decodeEarlier = rowsOf(Schema.Struct({ event_id: Schema.String, at: Schema.NullOr(Schema.String) }))

const isKept = (sql: PgClient, retention: Duration.Duration) =>
  sql`c.created_at > now() - ${Duration.toSeconds(retention)}::integer * interval '1 second'`

/**
 * The changes of these events that are still kept, in the events' order and up to so many bytes together;
 * that of the first event whatever its size.
 */
export const changesOf = (
  sql: PgClient,
  retention: Duration.Duration,
  eventIds: ReadonlyArray<string>,
  mostBytes: number
) =>
  storage(
    sql`
      select event_id::text, place, fits, case when fits then before end as before,
        case when fits then after end as after
      from (
        select c.event_id, c.before, c.after, w.place::integer,
          w.place = 1 or ${mostBytes}::integer >= sum(
            coalesce(octet_length(c.before::text), 0) + octet_length(c.after::text)
          ) over (order by w.place) as fits
        from unnest(${eventIds}::uuid[]) with ordinality as w (event_id, place)
        join changes c on c.event_id = w.event_id
        where ${isKept(sql, retention)}
      ) as c
      order by place`.pipe(Effect.flatMap(decodeChanges))
  )

/** What the agent last knew these cards as. */
export const cardsOf = (
  sql: PgClient,
  retention: Duration.Duration,
  agentId: AgentId,
  issueIds: ReadonlyArray<string>
) =>
  storage(
    sql`
      select w.issue_id::text as id, known.identifier, known.name
      from unnest(${issueIds}::uuid[]) as w (issue_id)
      cross join lateral (
        select c.identifier, c.name from changes c
        where c.agent_id = ${agentId}::uuid and c.issue_id = w.issue_id and c.identifier is not null
          and ${isKept(sql, retention)}
        order by c.created_at desc
        limit 1
      ) as known`.pipe(Effect.flatMap(decodeCards))
  )

/** When the newest event before a place was that is of the same turn as each of these. */
export const earlierOf = (sql: PgClient, agentId: AgentId, eventIds: ReadonlyArray<string>, before: bigint) =>
  storage(
    sql`
      select e.id::text as event_id, (
        select iso(o.at) from audit_events o
        where o.agent_id = ${agentId}::uuid and turn_of(o.client) = turn_of(e.client)
          and o.position < ${before.toString()}::bigint
        order by o.position desc
        limit 1
      ) as at
      from audit_events e
      where e.id = any (${eventIds}::uuid[])`.pipe(Effect.flatMap(decodeEarlier))
  )
