import { Result, Schema } from "effect"
import { CommentId, IssueId, ProjectId } from "../../domain/Ids.ts"
import { Priority, type Project } from "../../domain/Issue.ts"
import type { ListedComment, TaskerIssue } from "../../domain/Tasker.ts"
import { decoder } from "../tasker/taskerAnswers.ts"
import { withoutVia } from "./viaLine.ts"

/** Plane's objects, as far as they are read, and the gateway's objects made of them. */

/** `external_source` of everything that the gateway makes. */
export const externalSource = "nodedc-agent-gateway"

const external = {
  external_source: Schema.NullOr(Schema.String),
  external_id: Schema.NullOr(Schema.String)
}

/** Another source's id tells nothing of our writes. */
const ownExternalId = ({ external_id, external_source }: Schema.Struct<typeof external>["Type"]) =>
  external_source === externalSource ? external_id : null

export const PlaneUser = Schema.Struct({ id: Schema.String })

export const PlaneProject = Schema.Struct({
  id: ProjectId,
  name: Schema.String,
  identifier: Schema.String,
  is_member: Schema.Boolean
})
export type PlaneProject = typeof PlaneProject.Type

export const PlaneState = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  group: Schema.String,
  color: Schema.optionalKey(Schema.NullOr(Schema.String)),
  default: Schema.Boolean
})

export const PlaneLabel = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  color: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/** Project members, some of whom may have been removed; they have no role. */
export const PlanePerson = Schema.Struct({
  id: Schema.String,
  display_name: Schema.String,
  email: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type PlanePerson = typeof PlanePerson.Type

/** Members of the workspace, with their role in it. */
export const PlaneMember = Schema.Struct({
  ...PlanePerson.fields,
  role: Schema.optionalKey(Schema.NullOr(Schema.Int))
})
export type PlaneMember = typeof PlaneMember.Type

const summaryFields = {
  id: IssueId,
  project: ProjectId,
  sequence_id: Schema.Int,
  name: Schema.String,
  priority: Priority,
  state: Schema.NullOr(Schema.String),
  labels: Schema.Array(Schema.String),
  assignees: Schema.Array(Schema.String),
  start_date: Schema.NullOr(Schema.String),
  target_date: Schema.NullOr(Schema.String),
  parent: Schema.NullOr(IssueId),
  created_at: Schema.String,
  updated_at: Schema.String,
  ...external
}

export const PlaneCard = Schema.Struct({
  ...summaryFields,
  /** Not asked for in lists. */
  description_html: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type PlaneCard = typeof PlaneCard.Type

/** The value of `fields` for a list of cards without their texts. */
export const summaryNames = Object.keys(summaryFields).join(",")

/** A card or comment, as far as its `external_id` goes. */
export const PlaneCardMark = Schema.Struct({ id: IssueId, ...external })
export const PlaneCommentMark = Schema.Struct({ id: CommentId, ...external })
export type PlaneCommentMark = typeof PlaneCommentMark.Type
/** The value of `fields` for either. */
export const markNames = Object.keys(PlaneCardMark.fields).join(",")

export const PlaneComment = Schema.Struct({
  id: CommentId,
  issue: IssueId,
  comment_html: Schema.String,
  created_at: Schema.String,
  created_by: Schema.NullOr(Schema.String),
  ...external
})
export type PlaneComment = typeof PlaneComment.Type

/** True if a write under this key made it. */
export const isMarked = (mark: Schema.Struct<typeof external>["Type"], externalId: string): boolean =>
  ownExternalId(mark) === externalId

/** The project that cards are read in, and the address of Plane's pages. */
export interface Place {
  readonly project: Project
  readonly webUrl: string
}

export const issueOf = ({ project, webUrl }: Place, card: PlaneCard): TaskerIssue => {
  const identifier = `${project.identifier}-${card.sequence_id}`
  return {
    id: card.id,
    project_id: card.project,
    sequence_id: card.sequence_id,
    identifier,
    name: card.name,
    description_html: card.description_html ?? null,
    priority: card.priority,
    state_id: card.state ?? "",
    label_ids: card.labels,
    assignee_ids: card.assignees,
    start_date: card.start_date,
    target_date: card.target_date,
    parent_id: card.parent,
    created_at: card.created_at,
    updated_at: card.updated_at,
    url: `${webUrl}/${encodeURIComponent(project.workspace_slug)}/browse/${encodeURIComponent(identifier)}/`,
    external_id: ownExternalId(card)
  }
}

/** How comments are shown: with the names of their authors, and without the line that the gateway adds. */
export interface CommentView {
  readonly viaLine: boolean
  /** Display names by id. */
  readonly names: ReadonlyMap<string, string>
}

export const commentOf = (comment: PlaneComment, { names, viaLine }: CommentView): ListedComment => {
  const author = comment.created_by ?? ""
  const isOurs = comment.external_source === externalSource
  return {
    id: comment.id,
    issue_id: comment.issue,
    comment_html: viaLine && isOurs ? withoutVia(comment.comment_html) : comment.comment_html,
    created_at: comment.created_at,
    author: { id: author, display_name: names.get(author) ?? author },
    external_id: ownExternalId(comment)
  }
}

/** A page of any list of Plane's. `next_cursor` is never null: only `next_page_results` tells the end. */
export interface PlanePage<A> {
  readonly results: ReadonlyArray<A>
  readonly next_cursor: string | null
  readonly total_count: number
}

export const pageDecoder = <S extends Schema.ConstraintDecoder<unknown>>(item: S) => {
  const decode = decoder(
    Schema.Struct({
      results: Schema.Array(item),
      next_cursor: Schema.String,
      next_page_results: Schema.Boolean,
      total_count: Schema.Int
    })
  )
  return (json: unknown): Result.Result<PlanePage<S["Type"]>, string> =>
    Result.map(decode(json), ({ next_cursor, next_page_results, results, total_count }) => ({
      results,
      next_cursor: next_page_results ? next_cursor : null,
      total_count
    }))
}
