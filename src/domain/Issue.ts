import { Schema } from "effect"
import { CommentId, IssueId, ProjectId } from "./Ids.ts"

export const Priority = Schema.Literals(["urgent", "high", "medium", "low", "none"])
export type Priority = typeof Priority.Type

/** A state of a project's board: where a card can stand. */
export const State = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  group: Schema.String
})
export type State = typeof State.Type

export const Label = Schema.Struct({ id: Schema.String, name: Schema.String })
export type Label = typeof Label.Type

export const Person = Schema.Struct({ id: Schema.String, display_name: Schema.String })
export type Person = typeof Person.Type

export const Member = Schema.Struct({
  ...Person.fields,
  email: Schema.NullOr(Schema.String),
  /** Null for a person who was removed from the project. */
  role: Schema.NullOr(Schema.Int)
})
export type Member = typeof Member.Type

export const Project = Schema.Struct({
  id: ProjectId,
  name: Schema.String,
  identifier: Schema.String,
  workspace_slug: Schema.String
})
export type Project = typeof Project.Type

/** True if a text took too long to be converted: it is given as plain paragraphs, and must not be written back. */
export const PlainText = Schema.optionalKey(
  Schema.Literal(true).annotate({
    description:
      "The text took too long to convert: plain paragraphs, without its structure. Never write it back."
  })
)

/** A card as agents see it: Markdown, and names beside ids. Times are Tasker's, to the letter. */
export const Issue = Schema.Struct({
  id: IssueId,
  identifier: Schema.String,
  project_id: ProjectId,
  name: Schema.String,
  description: Schema.String,
  plain_text: PlainText,
  priority: Priority,
  state: State,
  labels: Schema.Array(Label),
  assignees: Schema.Array(Person),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  parent_id: Schema.NullOr(IssueId),
  created_at: Schema.String,
  updated_at: Schema.String,
  url: Schema.String
})
export type Issue = typeof Issue.Type

/** A card that is read alone or answered by a write. */
export const IssueRead = Schema.Struct({
  ...Issue.fields,
  /** A hash of the card's writable content (`domain/IssueVersion.ts`). */
  version: Schema.String
})
export type IssueRead = typeof IssueRead.Type

export const Comment = Schema.Struct({
  id: CommentId,
  issue_id: IssueId,
  comment: Schema.String,
  plain_text: PlainText,
  /** Null where Tasker had the comment already and can't show it. */
  created_at: Schema.NullOr(Schema.String)
})
export type Comment = typeof Comment.Type

/** Where Tasker did not do all that was asked. */
export const Warning = Schema.Struct({ field: Schema.String, message: Schema.String })
export type Warning = typeof Warning.Type
