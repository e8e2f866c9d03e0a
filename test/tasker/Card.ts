import { Schema } from "effect"
import { iso } from "./Once.ts"
import type { Switches } from "./Switches.ts"

/** A card as it lies in the tables, with what its address is made of. */
export const Card = Schema.Struct({
  id: Schema.String,
  project_id: Schema.String,
  sequence_id: Schema.Int,
  identifier: Schema.String,
  name: Schema.String,
  description_html: Schema.String,
  priority: Schema.Literals(["urgent", "high", "medium", "low", "none"]),
  state_id: Schema.String,
  label_ids: Schema.Array(Schema.String),
  assignee_ids: Schema.Array(Schema.String),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  parent_id: Schema.NullOr(Schema.String),
  external_id: Schema.NullOr(Schema.String),
  created_at: Schema.String,
  updated_at: Schema.String,
  workspace_slug: Schema.String
})
export type Card = typeof Card.Type

export const decodeCards = Schema.decodeUnknownEffect(Schema.Array(Card))

/** The columns of a card `i` of project `p`. */
export const cardColumns = `i.id, i.project_id, i.sequence_id, p.identifier || '-' || i.sequence_id as identifier,
  i.name, i.description_html, i.priority, i.state_id, i.label_ids, i.assignee_ids, i.start_date, i.target_date,
  i.parent_id, i.external_id, ${iso("i.created_at")} as created_at, ${iso("i.updated_at")} as updated_at, p.workspace_slug`

/** Tasker's issue, as the API answers it. */
export const toIssue = (
  { external_id, workspace_slug, ...card }: Card,
  baseUrl: string,
  { external_ids_shown }: Pick<Switches, "external_ids_shown">
) => ({
  ...card,
  ...(external_ids_shown && { external_id }),
  url: `${baseUrl}/${workspace_slug}/browse/${card.identifier}`
})
