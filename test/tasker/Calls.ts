import { Schema } from "effect"
import { CalendarDate, Instant, Name, Priority, Text, UserId, Uuid } from "./Fields.ts"

/** What each call carries. Fields that are not named here are ignored, as Tasker does. */

export const Op = Schema.Literals([
  "resolve",
  "context",
  "list",
  "list_comments",
  "create",
  "update",
  "move",
  "labels",
  "assignees",
  "comment"
])
export type Op = typeof Op.Type

const Actor = Schema.Struct({
  agent_id: Uuid,
  agent_display_name: Text,
  owner_user_id: UserId,
  owner_email: Text
})

export const CallHeaders = Schema.Struct({
  "x-nodedc-agent-id": Uuid,
  "x-nodedc-owner-id": UserId
})

export const WriteHeaders = Schema.Struct({
  "idempotency-key": Schema.String.check(
    Schema.isPattern(/^[0-9a-f]{64}$/, { message: "Expected 64 hex characters" })
  )
})

export const ResolveBody = Schema.Struct({
  workspace_slug: Text,
  project_id: Schema.optionalKey(Uuid),
  identifier: Schema.optionalKey(Text),
  name: Schema.optionalKey(Text),
  actor: Actor
})

const write = { project_id: Uuid, actor: Actor }

const external = {
  external_source: Schema.optionalKey(Schema.NullOr(Text)),
  external_id: Schema.optionalKey(Schema.NullOr(Text))
}

/** What is looked at of every write before its own fields are. */
export const WriteBody = Schema.Struct({ ...write, external_id: external.external_id })

/** The fields of a card that can be set; one that is left out stays as it is. */
export const CardFields = {
  name: Schema.optionalKey(Name),
  description_html: Schema.optionalKey(Schema.NullOr(Text)),
  priority: Schema.optionalKey(Priority),
  state_id: Schema.optionalKey(Schema.NullOr(Uuid)),
  label_ids: Schema.optionalKey(Schema.Array(Uuid)),
  assignee_ids: Schema.optionalKey(Schema.Array(UserId)),
  start_date: Schema.optionalKey(Schema.NullOr(CalendarDate)),
  target_date: Schema.optionalKey(Schema.NullOr(CalendarDate)),
  parent_id: Schema.optionalKey(Schema.NullOr(Uuid))
}
export const CardChange = Schema.Struct(CardFields)
export type CardChange = typeof CardChange.Type

export const CreateBody = Schema.Struct({ ...write, ...external, ...CardFields, name: Name })
export type CreateBody = typeof CreateBody.Type

const expected = { expected_updated_at: Schema.optionalKey(Instant) }

export const UpdateBody = Schema.Struct({ ...write, ...expected, ...CardFields })
export const MoveBody = Schema.Struct({ ...write, ...expected, state_id: Uuid })
export const LabelsBody = Schema.Struct({ ...write, ...expected, label_ids: Schema.Array(Uuid) })
export const AssigneesBody = Schema.Struct({ ...write, ...expected, assignee_ids: Schema.Array(UserId) })

export const CommentBody = Schema.Struct({ ...write, ...external, comment_html: Text })
export type CommentBody = typeof CommentBody.Type

const paging = {
  cursor: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 100 }))
  )
}
export const defaultLimit = 50

export const ListQuery = Schema.Struct({
  ...paging,
  project_id: Uuid,
  issue_id: Schema.optionalKey(Uuid),
  identifier: Schema.optionalKey(Text),
  external_id: Schema.optionalKey(Text),
  state_id: Schema.optionalKey(Uuid),
  label_id: Schema.optionalKey(Uuid),
  assignee_id: Schema.optionalKey(UserId),
  priority: Schema.optionalKey(Priority),
  search: Schema.optionalKey(Text),
  updated_after: Schema.optionalKey(Instant)
})
export type ListQuery = typeof ListQuery.Type

export const CommentsQuery = Schema.Struct({ ...paging, project_id: Uuid })
export type CommentsQuery = typeof CommentsQuery.Type
