import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import { type CardChange, type CreateBody, defaultLimit, type ListQuery } from "./Calls.ts"
import { Card, cardColumns, decodeCards } from "./Card.ts"
import { fromCursor, toCursor } from "./Cursor.ts"
import { sanitise } from "./Html.ts"
import type { StoreError } from "./Once.ts"
import { fold } from "./Projects.ts"
import { alreadyExists, changedSince, invalidField, notFound } from "./Refusal.ts"

/** How a write is carried out: what a Tasker that is not quite itself leaves out. */
export interface Manner {
  /** Labels, assignees and state don't take. */
  readonly drop: boolean
  readonly dedupeExternal: boolean
  readonly ignoreExpected: boolean
}

export interface IssuePage {
  readonly results: ReadonlyArray<Card>
  readonly next_cursor: string | null
  readonly total_count: number
}

const References = Schema.Struct({
  default_state_id: Schema.NullOr(Schema.String),
  state_found: Schema.Boolean,
  parent_found: Schema.Boolean,
  labels_found: Schema.Array(Schema.String),
  assignees_found: Schema.Array(Schema.String)
})
const decodeLook = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ ...References.fields, existing_id: Schema.NullOr(Schema.String) })])
)
const decodeLocked = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ ...Card.fields, ...References.fields, as_expected: Schema.NullOr(Schema.Boolean) })
  )
)
const decodeTotal = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ total: Schema.Int })]))

/** A card before it has a number, an id and times. */
type NewCard = Omit<
  Card,
  "id" | "sequence_id" | "identifier" | "created_at" | "updated_at" | "workspace_slug"
>

/** In the order in which they were asked for, each once, without those that are not there. */
const known = (asked: ReadonlyArray<string>, found: ReadonlyArray<string>) =>
  [...new Set(asked)].filter((id) => found.includes(id))

const emptyHtml = "<p></p>"

const requireOrder = (start: string | null, target: string | null) =>
  start !== null && target !== null && start > target
    ? Effect.fail(invalidField("start_date", "Start date cannot exceed target date"))
    : Effect.void

/** The cards. Everything that writes has to run inside a transaction. */
export class Issues extends Context.Service<
  Issues,
  {
    readonly list: (query: ListQuery) => Effect.Effect<IssuePage, StoreError>
    readonly create: (body: CreateBody, manner: Manner) => Effect.Effect<Card, StoreError>
    /** Sets what `change` names. Updates, moves, labels and assignees are all this. */
    readonly change: (
      at: { readonly projectId: string; readonly issueId: string; readonly expected?: string | undefined },
      change: CardChange,
      manner: Manner
    ) => Effect.Effect<Card, StoreError>
  }
>()("reference-tasker/Issues") {
  static readonly layer = Layer.effect(
    Issues,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const columns = sql.literal(cardColumns)

      /** What a change refers to, as far as it is there: columns for a `select`. */
      const references = (projectId: string, change: Partial<CreateBody>) => sql`
        (select id from states where project_id = ${projectId} and is_default) as default_state_id,
        exists (select from states where project_id = ${projectId} and id = ${change.state_id ?? null}) as state_found,
        exists (select from issues where project_id = ${projectId} and id = ${change.parent_id ?? null})
          as parent_found,
        array(select id from labels
          where project_id = ${projectId} and id = any(${change.label_ids ?? []}::uuid[])) as labels_found,
        array(select id from members where project_id = ${projectId} and active and role >= 15
          and id = any(${change.assignee_ids ?? []}::text[])) as assignees_found`

      const look = (body: CreateBody) => sql`
        select ${references(body.project_id, body)},
          (select id from issues where project_id = ${body.project_id} and external_id = ${body.external_id ?? null}
            and external_source = ${body.external_source ?? null} limit 1) as existing_id`

      /**
       * The project's row is locked until the end of the transaction: numbers have no gaps and no doubles.
       * That is why this comes last.
       */
      const insert = (fields: NewCard, body: CreateBody) => sql`
        with numbered as (
          update projects set last_sequence = last_sequence + 1 where id = ${fields.project_id}
          returning last_sequence
        ), made as (
          insert into issues (project_id, sequence_id, name, name_folded, description_html, priority, state_id,
            label_ids, assignee_ids, start_date, target_date, parent_id, external_source, external_id,
            created_at, updated_at)
          select ${fields.project_id}, last_sequence, ${fields.name}, ${fold(fields.name)}, ${fields.description_html},
            ${fields.priority}, ${fields.state_id}, ${fields.label_ids}::uuid[], ${fields.assignee_ids}::text[],
            ${fields.start_date}, ${fields.target_date}, ${fields.parent_id}, ${body.external_source ?? null},
            ${body.external_id ?? null}, moment, moment
          from numbered, clock_timestamp() as moment
          returning *
        )
        select ${columns} from made i join projects p on p.id = i.project_id`

      const lock = (
        projectId: string,
        issueId: string,
        expected: string | undefined,
        change: CardChange
      ) => sql`
        select ${columns}, ${references(projectId, change)}, i.updated_at = ${expected ?? null}::timestamptz as as_expected
        from issues i join projects p on p.id = i.project_id
        where i.id = ${issueId} and i.project_id = ${projectId}
        for no key update of i`

      /** `updated_at` always grows, even where the clock stands still or nothing else changes. */
      const save = (fields: Card) => sql`
        with saved as (
          update issues set name = ${fields.name}, name_folded = ${fold(fields.name)},
            description_html = ${fields.description_html}, priority = ${fields.priority},
            state_id = ${fields.state_id}, label_ids = ${fields.label_ids}::uuid[],
            assignee_ids = ${fields.assignee_ids}::text[], start_date = ${fields.start_date},
            target_date = ${fields.target_date}, parent_id = ${fields.parent_id},
            updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
          where id = ${fields.id}
          returning *
        )
        select ${columns} from saved i join projects p on p.id = i.project_id`

      /** What a change makes of the fields it names, given what it refers to. */
      const settle = Effect.fnUntraced(function* (
        change: Partial<CreateBody>,
        found: typeof References.Type,
        { drop }: Manner
      ) {
        if (change.state_id != null && !found.state_found) {
          return yield* invalidField("state_id", "State is not valid please pass a valid state_id")
        }
        if (change.parent_id != null && !found.parent_found) {
          return yield* invalidField("parent_id", "Parent is not valid issue_id please pass a valid issue_id")
        }
        const html = change.description_html
        const { name, priority, start_date, target_date, parent_id, state_id, label_ids, assignee_ids } =
          change
        return {
          ...(name !== undefined && { name }),
          ...(html !== undefined && {
            description_html: html === null ? emptyHtml : yield* sanitise("description_html", html)
          }),
          ...(priority !== undefined && { priority }),
          ...(start_date !== undefined && { start_date }),
          ...(target_date !== undefined && { target_date }),
          ...(parent_id !== undefined && { parent_id }),
          ...(state_id != null && !drop && { state_id }),
          ...(label_ids !== undefined && !drop && { label_ids: known(label_ids, found.labels_found) }),
          ...(assignee_ids !== undefined &&
            !drop && { assignee_ids: known(assignee_ids, found.assignees_found) })
        }
      })

      const create = Effect.fn("Issues.create")(function* (body: CreateBody, manner: Manner) {
        const [found] = yield* Effect.flatMap(look(body), decodeLook)
        if (manner.dedupeExternal && found.existing_id !== null)
          return yield* alreadyExists(found.existing_id)
        const fields = yield* settle(body, found, manner)
        const state_id = fields.state_id ?? found.default_state_id
        if (state_id === null) return yield* invalidField("state_id", "The project has no default state")
        const made: NewCard = {
          description_html: emptyHtml,
          priority: "none",
          label_ids: [],
          assignee_ids: [],
          start_date: null,
          target_date: null,
          parent_id: null,
          ...fields,
          name: body.name,
          project_id: body.project_id,
          state_id
        }
        yield* requireOrder(made.start_date, made.target_date)
        const [row] = yield* Effect.flatMap(insert(made, body), decodeCards)
        return row ?? (yield* notFound("No such project."))
      })

      const change: Issues["Service"]["change"] = Effect.fn("Issues.change")(function* (
        { projectId, issueId, expected },
        asked,
        manner
      ) {
        const [locked] = yield* Effect.flatMap(lock(projectId, issueId, expected, asked), decodeLocked)
        if (locked === undefined) return yield* notFound("No such issue in this project.")
        const { as_expected, ...before } = locked
        if (expected !== undefined && !manner.ignoreExpected && as_expected !== true) {
          return yield* changedSince(expected, before.updated_at)
        }
        if (asked.parent_id === issueId) {
          return yield* invalidField("parent_id", "An issue can't be its own parent")
        }
        const after: Card = { ...locked, ...(yield* settle(asked, locked, manner)) }
        yield* requireOrder(after.start_date, after.target_date)
        const [row] = yield* Effect.flatMap(save(after), decodeCards)
        return row ?? (yield* notFound("No such issue in this project."))
      })

      const matching = (query: ListQuery) =>
        sql.and([
          sql`i.project_id = ${query.project_id}`,
          ...(query.issue_id === undefined ? [] : [sql`i.id = ${query.issue_id}`]),
          ...(query.identifier === undefined
            ? []
            : [sql`p.identifier || '-' || i.sequence_id = ${query.identifier.toUpperCase()}`]),
          ...(query.external_id === undefined ? [] : [sql`i.external_id = ${query.external_id}`]),
          ...(query.state_id === undefined ? [] : [sql`i.state_id = ${query.state_id}`]),
          ...(query.label_id === undefined ? [] : [sql`${query.label_id} = any(i.label_ids)`]),
          ...(query.assignee_id === undefined ? [] : [sql`${query.assignee_id} = any(i.assignee_ids)`]),
          ...(query.priority === undefined ? [] : [sql`i.priority = ${query.priority}`]),
          ...(query.search === undefined ? [] : [sql`position(${fold(query.search)} in i.name_folded) > 0`]),
          ...(query.updated_after === undefined
            ? []
            : [sql`i.updated_at > ${query.updated_after}::timestamptz`])
        ])

      const list = Effect.fn("Issues.list")(function* (query: ListQuery) {
        const limit = query.limit ?? defaultLimit
        const after = query.cursor === undefined ? undefined : yield* fromCursor(query.cursor)
        const rows = yield* Effect.flatMap(
          sql`
            select ${columns} from issues i join projects p on p.id = i.project_id
            where ${matching(query)}
            ${after === undefined ? sql`` : sql`and (i.created_at, i.id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
            order by i.created_at desc, i.id desc
            limit ${limit + 1}`,
          decodeCards
        )
        const results = rows.slice(0, limit)
        const last = rows.length > limit ? results.at(-1) : undefined
        if (after === undefined && last === undefined) {
          return { results, next_cursor: null, total_count: results.length }
        }
        const [{ total }] = yield* Effect.flatMap(
          sql`select count(*)::int as total from issues i join projects p on p.id = i.project_id
            where ${matching(query)}`,
          decodeTotal
        )
        return {
          results,
          next_cursor: last === undefined ? null : toCursor(last.created_at, last.id),
          total_count: total
        }
      })

      return { list, create, change }
    })
  )
}
