import type { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import type { CreateBody } from "./Calls.ts"
import { description } from "./Html.ts"
import { invalidTogether, unknownIds } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

/** How a write is carried out. */
export interface Manner {
  /** Labels, assignees and state don't take. */
  readonly drop: boolean
  readonly switches: Switches
}

const Ids = Schema.Array(Schema.String)

/** The states, cards, labels and members that a change names, as far as the project has them. */
export const References = Schema.Struct({
  default_state_id: Schema.NullOr(Schema.String),
  state_found: Schema.Boolean,
  parent_found: Schema.Boolean,
  labels_found: Ids,
  assignees_found: Ids,
  /** Ids that no project has. */
  unknown: Schema.Struct({ state_id: Ids, parent_id: Ids, label_ids: Ids, assignee_ids: Ids })
})
export type References = typeof References.Type

/** Makes the columns that hold the references of a change. */
export const referencing = (sql: PgClient.PgClient) => {
  const unknown = (table: "states" | "issues" | "labels" | "members", ids: ReadonlyArray<string>) => sql`
    to_json(array(select id from unnest(${ids}::text[]) as asked (id)
      where not exists (select from ${sql.literal(table)} t where t.id::text = asked.id)))`

  return (projectId: string, change: Partial<CreateBody>) => {
    const { assignee_ids = [], label_ids = [], parent_id, state_id } = change
    return sql`
      (select id from states where project_id = ${projectId} and is_default) as default_state_id,
      exists (select from states where project_id = ${projectId} and id = ${state_id ?? null}) as state_found,
      exists (select from issues where project_id = ${projectId} and id = ${parent_id ?? null}) as parent_found,
      array(select id from labels where project_id = ${projectId} and id = any(${label_ids}::uuid[])) as labels_found,
      array(select id from members where project_id = ${projectId} and active and role >= 15
        and id = any(${assignee_ids}::text[])) as assignees_found,
      json_build_object(
        'state_id', ${unknown("states", state_id == null ? [] : [state_id])},
        'parent_id', ${unknown("issues", parent_id == null ? [] : [parent_id])},
        'label_ids', ${unknown("labels", label_ids)},
        'assignee_ids', ${unknown("members", assignee_ids)}) as unknown`
  }
}

/** In the order in which they were asked for, each once, without those that are not there. */
const known = (asked: ReadonlyArray<string>, found: ReadonlyArray<string>) =>
  [...new Set(asked)].filter((id) => found.includes(id))

const faultsOf = (change: Partial<CreateBody>, { unknown }: References) => [
  ...unknown.state_id.map((id) => [["state_id"], id] as const),
  ...unknown.parent_id.map((id) => [["parent_id"], id] as const),
  ...(["label_ids", "assignee_ids"] as const).flatMap((field) =>
    (change[field] ?? []).flatMap((id, at) =>
      unknown[field].includes(id) ? [[[field, String(at)], id] as const] : []
    )
  )
]

/** Returns the fields that a change sets, given what it refers to. */
export const settle = Effect.fnUntraced(function* (
  change: Partial<CreateBody>,
  found: References,
  { drop, switches }: Manner
) {
  const faults = switches.refuse_unknown_ids ? faultsOf(change, found) : []
  if (faults.length > 0) return yield* unknownIds(faults)
  if (change.state_id != null && !found.state_found) {
    return yield* invalidTogether("state_id", "State is not valid please pass a valid state_id")
  }
  if (change.parent_id != null && !found.parent_found) {
    return yield* invalidTogether("parent_id", "Parent is not valid issue_id please pass a valid issue_id")
  }
  const html = change.description_html
  const { name, priority, start_date, target_date, parent_id, state_id, label_ids, assignee_ids } = change
  return {
    ...(name !== undefined && { name }),
    ...(html !== undefined && { description_html: yield* description(html, switches) }),
    ...(priority !== undefined && { priority }),
    ...(start_date !== undefined && { start_date }),
    ...(target_date !== undefined && { target_date }),
    ...(parent_id !== undefined && { parent_id }),
    ...(state_id != null && !drop && { state_id }),
    ...(label_ids !== undefined && !drop && { label_ids: known(label_ids, found.labels_found) }),
    ...(assignee_ids !== undefined && !drop && { assignee_ids: known(assignee_ids, found.assignees_found) })
  }
})

interface Dates {
  readonly start_date?: string | null
  readonly target_date?: string | null
}

/** Refuses a start after the target: of what was asked, or of the card as it would be. */
export const requireOrder = (asked: Dates, after: Dates, { dates_by_request }: Switches) => {
  const { start_date, target_date } = dates_by_request ? asked : after
  return start_date != null && target_date != null && start_date > target_date
    ? Effect.fail(invalidTogether("start_date", "Start date cannot exceed target date"))
    : Effect.void
}
