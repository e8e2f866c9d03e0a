import { Schema } from "effect"
import { CommentId, IssueId, ProjectId } from "./Ids.ts"
import { Priority, Project } from "./Issue.ts"

/**
 * What Tasker answers, in Tasker's own terms: HTML and ids. Fields it adds are ignored; a field it
 * lacks is a `contract` failure.
 */
export const TaskerIssue = Schema.Struct({
  id: IssueId,
  project_id: ProjectId,
  sequence_id: Schema.Int,
  identifier: Schema.String,
  name: Schema.String,
  description_html: Schema.NullOr(Schema.String),
  priority: Priority,
  state_id: Schema.String,
  label_ids: Schema.Array(Schema.String),
  assignee_ids: Schema.Array(Schema.String),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  parent_id: Schema.NullOr(IssueId),
  created_at: Schema.String,
  updated_at: Schema.String,
  url: Schema.String
})
export type TaskerIssue = typeof TaskerIssue.Type

export const TaskerComment = Schema.Struct({
  id: CommentId,
  issue_id: IssueId,
  comment_html: Schema.String,
  created_at: Schema.String
})
export type TaskerComment = typeof TaskerComment.Type

export const ListedComment = Schema.Struct({
  ...TaskerComment.fields,
  author: Schema.Struct({ id: Schema.String, display_name: Schema.String }),
  external_id: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type ListedComment = typeof ListedComment.Type

/** A project's states, labels and members: what names are resolved against. */
export const ProjectContext = Schema.Struct({
  project: Project,
  states: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      group: Schema.String,
      color: Schema.optionalKey(Schema.NullOr(Schema.String)),
      default: Schema.Boolean
    })
  ),
  labels: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      color: Schema.optionalKey(Schema.NullOr(Schema.String))
    })
  ),
  members: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      display_name: Schema.String,
      email: Schema.optionalKey(Schema.NullOr(Schema.String)),
      role: Schema.Int
    })
  )
})
export type ProjectContext = typeof ProjectContext.Type

export interface ProjectQuery {
  readonly workspace_slug: string
  readonly project_id?: ProjectId
  readonly identifier?: string
  readonly name?: string
}

export interface CommentQuery {
  readonly project_id: ProjectId
  readonly issue_id: IssueId
  readonly cursor?: string
  readonly limit?: number
}

export interface IssueQuery {
  readonly project_id: ProjectId
  readonly issue_id?: IssueId
  readonly identifier?: string
  readonly external_id?: string
  readonly state_id?: string
  readonly label_id?: string
  readonly assignee_id?: string
  readonly priority?: Priority
  readonly search?: string
  readonly updated_after?: string
  readonly cursor?: string
  readonly limit?: number
}

export interface Page<A> {
  readonly results: ReadonlyArray<A>
  readonly next_cursor: string | null
}

export interface IssuePage extends Page<TaskerIssue> {
  readonly total_count: number
}
