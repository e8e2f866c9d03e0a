import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Random, Schema } from "effect"
import type { CardChange, CreateBody, ListQuery } from "./Calls.ts"
import { Card, cardColumns, decodeCards } from "./Card.ts"
import { description, emptyHtml } from "./Html.ts"
import { type IssuePage, listing } from "./Listing.ts"
import type { StoreError } from "./Once.ts"
import { fold } from "./Projects.ts"
import { alreadyExists, changedSince, invalidField, noSuchProject, notFound } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

/** How a write is carried out. */
export interface Manner {
  /** Labels, assignees and state don't take. */
  readonly drop: boolean
  readonly switches: Switches
}

const References = Schema.Struct({
  default_state_id: Schema.NullOr(Schema.String),
  state_found: Schema.Boolean,
  parent_found: Schema.Boolean,
  labels_found: Schema.Array(Schema.String),
  assignees_found: Schema.Array(Schema.String)
})
const decodeLook = Schema.decodeUnknownEffect(
  Schema.Tuple([
    Schema.Struct({
      ...References.fields,
      existing_id: Schema.NullOr(Schema.String),
      default_assignee: Schema.NullOr(Schema.String)
    })
  ])
)
const decodeFound = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ ...Card.fields, ...References.fields, as_expected: Schema.NullOr(Schema.Boolean) })
  )
)
/** A card before it has a number, an id and times. */
type NewCard = Omit<
  Card,
  "id" | "sequence_id" | "identifier" | "external_id" | "created_at" | "updated_at" | "workspace_slug"
>

/** In the order in which they were asked for, each once, without those that are not there. */
const known = (asked: ReadonlyArray<string>, found: ReadonlyArray<string>) =>
  [...new Set(asked)].filter((id) => found.includes(id))

/** Plane answers a create before the moment of its creation is final. */
const earlier = (instant: string, millis: number) =>
  `${new Date(Date.parse(instant) - millis).toISOString().slice(0, -1)}${instant.slice(-4)}`

const requireOrder = (start: string | null, target: string | null) =>
  start !== null && target !== null && start > target
    ? Effect.fail(invalidField("start_date", "Start date cannot exceed target date"))
    : Effect.void

/** The cards. Everything that writes has to run inside a transaction. */
export class Issues extends Context.Service<
  Issues,
  {
    readonly list: (query: ListQuery, switches: Switches) => Effect.Effect<IssuePage, StoreError>
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
            and external_source = ${body.external_source ?? null} order by created_at desc limit 1) as existing_id,
          (select default_assignee from projects where id = ${body.project_id}) as default_assignee`

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

      /** Locks the card until the end of the transaction, unless changes race. */
      const read = (
        projectId: string,
        issueId: string,
        expected: string | undefined,
        change: CardChange,
        { race_changes }: Switches
      ) => sql`
        select ${columns}, ${references(projectId, change)}, i.updated_at = ${expected ?? null}::timestamptz as as_expected
        from issues i join projects p on p.id = i.project_id
        where i.id = ${issueId} and i.project_id = ${projectId}
        ${race_changes ? sql`` : sql`for no key update of i`}`

      /** Writes every column. `updated_at` always grows, even where the clock stands still or nothing else changes. */
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
        { drop, switches }: Manner
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
          ...(html !== undefined && { description_html: yield* description(html, switches) }),
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
        const { switches } = manner
        // Plane looks at the fields before it looks for the external id.
        const fields = yield* settle(body, found, manner)
        if (switches.dedupe_external && found.existing_id !== null) {
          return yield* alreadyExists("Issue", found.existing_id)
        }
        const state_id = fields.state_id ?? found.default_state_id
        if (state_id === null) return yield* invalidField("state_id", "The project has no default state")
        const assignees = fields.assignee_ids ?? []
        const byDefault =
          switches.default_assignee && assignees.length === 0 && found.default_assignee !== null
            ? [found.default_assignee]
            : assignees
        const made: NewCard = {
          description_html: emptyHtml,
          priority: "none",
          label_ids: [],
          start_date: null,
          target_date: null,
          parent_id: null,
          ...fields,
          assignee_ids: byDefault,
          name: body.name,
          project_id: body.project_id,
          state_id
        }
        yield* requireOrder(made.start_date, made.target_date)
        const [row] = yield* Effect.flatMap(insert(made, body), decodeCards)
        if (row === undefined) return yield* noSuchProject
        return switches.early_created_at
          ? { ...row, created_at: earlier(row.created_at, yield* Random.nextIntBetween(10, 120)) }
          : row
      })

      const change: Issues["Service"]["change"] = Effect.fn("Issues.change")(function* (
        { projectId, issueId, expected },
        asked,
        manner
      ) {
        const { switches } = manner
        const [found] = yield* Effect.flatMap(
          read(projectId, issueId, expected, asked, switches),
          decodeFound
        )
        if (found === undefined) return yield* notFound("No such issue in this project.")
        const { as_expected, ...before } = found
        if (expected !== undefined && !switches.ignore_expected && as_expected !== true) {
          return yield* changedSince(expected, before.updated_at)
        }
        if (asked.parent_id === issueId && !switches.accept_own_parent) {
          return yield* invalidField("parent_id", "An issue can't be its own parent")
        }
        const after: Card = { ...found, ...(yield* settle(asked, found, manner)) }
        yield* requireOrder(after.start_date, after.target_date)
        const [row] = yield* Effect.flatMap(save(after), decodeCards)
        return row ?? (yield* notFound("No such issue in this project."))
      })

      const list = listing(sql)

      return { list, create, change }
    })
  )
}
