import { Schema } from "effect"
import { IssueId, ProjectId } from "./Ids.ts"
import { Priority } from "./Issue.ts"
import type { TaskerComment, TaskerIssue } from "./Tasker.ts"

/**
 * One change to Tasker, fully resolved: ids instead of names, HTML instead of Markdown. It is plain
 * data, since it is what a reservation stores before anything is sent and what settles the matter
 * when nobody knows whether it arrived.
 */

/** Of a change to a card that exists. */
const onIssue = {
  project_id: ProjectId,
  issue_id: IssueId,
  /** The card's `updated_at` when the change was planned: sent as `expected_updated_at`. */
  seen_updated_at: Schema.String,
  /** Hashes of fields when the change was planned (`Writer.planned`); absent in intents of earlier versions. */
  planned: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}

export const CreateIssue = Schema.TaggedStruct("CreateIssue", {
  project_id: ProjectId,
  name: Schema.String,
  description_html: Schema.String,
  priority: Priority,
  state_id: Schema.NullOr(Schema.String),
  label_ids: Schema.Array(Schema.String),
  assignee_ids: Schema.Array(Schema.String),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  parent_id: Schema.NullOr(IssueId)
})
export type CreateIssue = typeof CreateIssue.Type

/** The fields that an update may change; those left out stay as they are. */
const IssueFields = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  description_html: Schema.optionalKey(Schema.String),
  priority: Schema.optionalKey(Priority),
  start_date: Schema.optionalKey(Schema.NullOr(Schema.String)),
  target_date: Schema.optionalKey(Schema.NullOr(Schema.String)),
  parent_id: Schema.optionalKey(Schema.NullOr(IssueId))
})

export const UpdateIssue = Schema.TaggedStruct("UpdateIssue", { ...onIssue, fields: IssueFields })
export type UpdateIssue = typeof UpdateIssue.Type

export const MoveIssue = Schema.TaggedStruct("MoveIssue", { ...onIssue, state_id: Schema.String })
export type MoveIssue = typeof MoveIssue.Type

export const SetLabels = Schema.TaggedStruct("SetLabels", {
  ...onIssue,
  label_ids: Schema.Array(Schema.String)
})
export type SetLabels = typeof SetLabels.Type

export const SetAssignees = Schema.TaggedStruct("SetAssignees", {
  ...onIssue,
  assignee_ids: Schema.Array(Schema.String)
})
export type SetAssignees = typeof SetAssignees.Type

export const AddComment = Schema.TaggedStruct("AddComment", {
  project_id: ProjectId,
  issue_id: IssueId,
  comment_html: Schema.String
})
export type AddComment = typeof AddComment.Type

/** A change to a card that exists. */
export const IssueChange = Schema.Union([UpdateIssue, MoveIssue, SetLabels, SetAssignees])
export type IssueChange = typeof IssueChange.Type

/** Whether a write is one to a card that exists, which somebody else may change too. */
export const isChange = (write: Write): write is IssueChange =>
  write._tag !== "CreateIssue" && write._tag !== "AddComment"

/** A change whose answer is a card. */
export const IssueWrite = Schema.Union([CreateIssue, UpdateIssue, MoveIssue, SetLabels, SetAssignees])
export type IssueWrite = typeof IssueWrite.Type

export const Write = Schema.Union([CreateIssue, UpdateIssue, MoveIssue, SetLabels, SetAssignees, AddComment])
export type Write = typeof Write.Type

/** A comment that was made. `created_at` is null where Tasker only said that it is there. */
export type CommentWritten = Omit<TaskerComment, "created_at"> & { readonly created_at: string | null }

/** What a write came to, in Tasker's own terms. */
export type Written =
  | { readonly _tag: "Issue"; readonly issue: TaskerIssue }
  | { readonly _tag: "Comment"; readonly comment: CommentWritten }

/** The card that a write is about, where it exists before the write. */
export const issueOf = (write: Write): IssueId | null =>
  write._tag === "CreateIssue" ? null : write.issue_id
