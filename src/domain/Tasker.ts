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
  url: Schema.String,
  external_id: Schema.optionalKey(Schema.NullOr(Schema.String))
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
      /** Absent for a person who is listed but was removed from the project. */
      role: Schema.optionalKey(Schema.NullOr(Schema.Int))
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

/** Names one card of a project. */
export type IssueReference = { readonly project_id: ProjectId } & (
  | { readonly issue_id: IssueId }
  | { readonly identifier: string }
)

/** Names what one write made: a card, or with `issue_id` a comment on that card. */
export interface Mark {
  readonly project_id: ProjectId
  readonly external_id: string
}
export interface CommentMark extends Mark {
  readonly issue_id: IssueId
}

/** Filters of a list of cards; all of them have to hold. */
export interface IssueFilters {
  readonly state_id?: string
  readonly label_id?: string
  readonly assignee_id?: string
  readonly priority?: Priority
  readonly search?: string
  readonly updated_after?: string
}

export interface IssueQuery extends IssueFilters {
  readonly project_id: ProjectId
  /** Tasker's own cursor. It holds only under the limit under which Tasker gave it. */
  readonly cursor?: string
  readonly limit?: number
}

export interface Page<A> {
  readonly results: ReadonlyArray<A>
  readonly next_cursor: string | null
}

/** One page as Tasker gave it, newest `created_at` first. */
export interface IssuePage extends Page<TaskerIssue> {
  /** Null if Tasker did not count exactly what was asked. */
  readonly total_count: number | null
  /** Tasker's count of the list that it cuts into pages. It falls if something is deleted between two pages. */
  readonly listed_count?: number | null
}

/** The result of looking for what one write made. */
export type Look<A> =
  /** `others` are the ids of further ones under the same `external_id`: a double. */
  | { readonly _tag: "Found"; readonly value: A; readonly others: ReadonlyArray<string> }
  /** A complete look showed none. */
  | { readonly _tag: "Absent" }
  /** The look ended before it was complete. */
  | { readonly _tag: "Inconclusive"; readonly because: string }
  /** Tasker fails at this one look-up while it answers others: usually several stand under one `external_id`. */
  | { readonly _tag: "Failing"; readonly because: string }
  /** This Tasker has no such look-up. */
  | { readonly _tag: "Unsupported"; readonly recognisesRepeats: boolean }

/** How many things one write made, as far as Tasker shows it. */
export interface Copies {
  readonly ids: ReadonlyArray<string>
  /** True if there is more than one, also if their ids can't be had. */
  readonly several: boolean
}

const Known = Schema.Literals(["yes", "no", "unknown"])

/** What this Tasker was found to do, in this process. */
export const TaskerCapabilities = Schema.Struct({
  /** Applies the filters of a list. */
  filters: Known,
  /** Honours `limit` and `cursor`. */
  paging: Known,
  /** Lists an issue by `external_id`. */
  external_id_lookup: Known,
  /** Answers a repeated create instead of executing it again. */
  repeat_detection: Known,
  /** Refuses a change under an outdated `expected_updated_at`. */
  version_checks: Known,
  /** Lists comments. */
  comment_listing: Known
}).annotate({ identifier: "TaskerCapabilities" })
export type TaskerCapabilities = typeof TaskerCapabilities.Type
