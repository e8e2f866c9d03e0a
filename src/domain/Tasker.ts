import { Schema } from "effect"
import { CommentId, IssueId, ProjectId } from "./Ids.ts"
import { Priority, Project } from "./Issue.ts"

/**
 * What Tasker answers, in Tasker's own terms: HTML and ids. Fields it adds are ignored; a field it
 * lacks is a `contract` failure. `docs/TASKER_API.md` shows the descriptions.
 */

const said = (description: string) => ({ description })

export const TaskerIssue = Schema.Struct({
  id: IssueId.pipe(Schema.annotateEncoded(said("UUID of the card."))),
  project_id: ProjectId.pipe(Schema.annotateEncoded(said("UUID of its project."))),
  sequence_id: Schema.Int.annotateKey(said("Its number in the project.")),
  identifier: Schema.String.annotateKey(said("The project's identifier, a hyphen and the number.")),
  name: Schema.String.annotateKey(said("1–255 characters, white space trimmed.")),
  description_html: Schema.NullOr(Schema.String).annotateKey(
    said("The text as HTML. A card without text has `<p></p>` or null.")
  ),
  priority: Priority,
  state_id: Schema.String.annotateKey(said("Id of its state.")),
  label_ids: Schema.Array(Schema.String).annotateKey(said("Ids of its labels, in any order.")),
  assignee_ids: Schema.Array(Schema.String).annotateKey(said("Ids of its assignees, in any order.")),
  start_date: Schema.NullOr(Schema.String).annotateKey(said("`YYYY-MM-DD`.")),
  target_date: Schema.NullOr(Schema.String).annotateKey(said("`YYYY-MM-DD`.")),
  parent_id: Schema.NullOr(IssueId.pipe(Schema.annotateEncoded(said("UUID of its parent card.")))),
  created_at: Schema.String.annotateKey(said("ISO 8601, UTC. It never changes.")),
  updated_at: Schema.String.annotateKey(
    said(
      "ISO 8601, UTC, microseconds. It is passed on to the letter. It may move without a change of content."
    )
  ),
  url: Schema.String.annotateKey(said("Address at which a person sees the card.")),
  external_id: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(
    said("`external_id` of the create that made the card.")
  )
}).annotate({ identifier: "Issue" })
export type TaskerIssue = typeof TaskerIssue.Type

const commentFields = {
  id: CommentId.pipe(Schema.annotateEncoded(said("UUID of the comment."))),
  issue_id: IssueId.pipe(Schema.annotateEncoded(said("UUID of its card."))),
  comment_html: Schema.String.annotateKey(said("The text as HTML.")),
  created_at: Schema.String.annotateKey(said("ISO 8601, UTC."))
}

export const TaskerComment = Schema.Struct(commentFields).annotate({ identifier: "Comment" })
export type TaskerComment = typeof TaskerComment.Type

export const ListedComment = Schema.Struct({
  ...commentFields,
  author: Schema.Struct({
    id: Schema.String.annotateKey(said("Id of the person in whose name it was made.")),
    display_name: Schema.String.annotateKey(said("Name of that person."))
  }),
  external_id: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(
    said("`external_id` of the call that made the comment.")
  )
}).annotate({ identifier: "ListedComment" })
export type ListedComment = typeof ListedComment.Type

export const TaskerProject = Schema.Struct({
  id: Project.fields.id.pipe(Schema.annotateEncoded(said("UUID of the project."))),
  name: Project.fields.name.annotateKey(said("Its name.")),
  identifier: Project.fields.identifier.annotateKey(said("Start of its cards' identifiers.")),
  workspace_slug: Project.fields.workspace_slug.annotateKey(said("Slug of its workspace."))
}).annotate({ identifier: "Project" })

/** A project's states, labels and members: what names are resolved against. */
export const ProjectContext = Schema.Struct({
  project: TaskerProject,
  states: Schema.Array(
    Schema.Struct({
      id: Schema.String.annotateKey(said("Id of the state.")),
      name: Schema.String.annotateKey(said("Its name, unique in the project.")),
      group: Schema.String.annotateKey(
        said("`backlog`, `unstarted`, `started`, `completed` or `cancelled`.")
      ),
      color: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(said("Not used.")),
      default: Schema.Boolean.annotateKey(said("True for the state of a card that is created without one."))
    })
  ),
  labels: Schema.Array(
    Schema.Struct({
      id: Schema.String.annotateKey(said("Id of the label.")),
      name: Schema.String.annotateKey(said("Its name.")),
      color: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(said("Not used."))
    })
  ),
  members: Schema.Array(
    Schema.Struct({
      id: Schema.String.annotateKey(said("Id of the person, 1–128 characters.")),
      display_name: Schema.String.annotateKey(said("Name that other people see.")),
      email: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(
        said("Without it a person can be named by id or display name only.")
      ),
      role: Schema.optionalKey(Schema.NullOr(Schema.Int)).annotateKey(
        said(
          "Role in the project: 20 admin, 15 member, 5 guest. Only 15 and more are assigned. Absent or null for a person who was removed from the project."
        )
      )
    })
  )
}).annotate({ identifier: "ProjectContext" })
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
  /** A complete look showed none, but Tasker does not show the card either, whose comments it may hide. */
  | { readonly _tag: "Hidden"; readonly because: string }
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
