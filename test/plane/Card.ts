import { Schema } from "effect"
import { type Item, instant } from "./Store.ts"

/** Describes a card's row, with its labels and assignees. */
export const Card = Schema.Struct({
  id: Schema.String,
  project_id: Schema.String,
  workspace_id: Schema.String,
  sequence_id: Schema.Int,
  name: Schema.String,
  description_html: Schema.String,
  priority: Schema.String,
  state_id: Schema.String,
  parent_id: Schema.NullOr(Schema.String),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  sort_order: Schema.Int,
  completed_at: Schema.NullOr(Schema.String),
  archived_at: Schema.NullOr(Schema.String),
  is_draft: Schema.Boolean,
  external_source: Schema.NullOr(Schema.String),
  external_id: Schema.NullOr(Schema.String),
  created_at: Schema.String,
  updated_at: Schema.String,
  created_by: Schema.NullOr(Schema.String),
  updated_by: Schema.NullOr(Schema.String),
  labels: Schema.Array(Schema.String),
  assignees: Schema.Array(Schema.String)
})
export type Card = typeof Card.Type

export const decodeCards = Schema.decodeUnknownEffect(Schema.Array(Card))

/** Selects a card `i` of project `p`. */
export const cardColumns = `i.id, i.project_id, p.workspace_id, i.sequence_id, i.name, i.description_html, i.priority,
  i.state_id, i.parent_id, i.start_date::text, i.target_date::text, i.sort_order,
  ${instant("i.completed_at")} as completed_at, i.archived_at::text, i.is_draft, i.external_source, i.external_id,
  ${instant("i.created_at")} as created_at, ${instant("i.updated_at")} as updated_at, i.created_by, i.updated_by,
  array(select label_id from issue_labels where issue_id = i.id order by label_id) as labels,
  array(select user_id from issue_assignees where issue_id = i.id order by user_id) as assignees`

export const toJson = (card: Card): Item => ({
  id: card.id,
  type_id: null,
  created_at: card.created_at,
  updated_at: card.updated_at,
  deleted_at: null,
  point: null,
  name: card.name,
  description_html: card.description_html,
  description_binary: null,
  priority: card.priority,
  start_date: card.start_date,
  target_date: card.target_date,
  sequence_id: card.sequence_id,
  sort_order: card.sort_order,
  completed_at: card.completed_at,
  archived_at: card.archived_at,
  is_draft: card.is_draft,
  external_source: card.external_source,
  external_id: card.external_id,
  created_by: card.created_by,
  updated_by: card.updated_by,
  project: card.project_id,
  workspace: card.workspace_id,
  parent: card.parent_id,
  state: card.state_id,
  estimate_point: null,
  type: null,
  assignees: card.assignees,
  labels: card.labels
})
