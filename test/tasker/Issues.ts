import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Random, Schema } from "effect"
import type { CardChange, CreateBody, ListQuery } from "./Calls.ts"
import { Card, cardColumns, decodeCards } from "./Card.ts"
import { emptyHtml } from "./Html.ts"
import { type IssuePage, listing } from "./Listing.ts"
import type { StoreError } from "./Once.ts"
import { fold } from "./Projects.ts"
import { type Manner, References, referencing, requireOrder, settle } from "./References.ts"
import { alreadyExists, changedSince, invalidField, noSuchProject, notFound } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

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

/** Plane answers a create before the moment of its creation is final. */
const earlier = (instant: string, millis: number) =>
  `${new Date(Date.parse(instant) - millis).toISOString().slice(0, -1)}${instant.slice(-4)}`

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
      const references = referencing(sql)

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
        yield* requireOrder(body, made, switches)
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
        yield* requireOrder(asked, after, switches)
        const [row] = yield* Effect.flatMap(save(after), decodeCards)
        return row ?? (yield* notFound("No such issue in this project."))
      })

      const list = listing(sql)

      return { list, create, change }
    })
  )
}
