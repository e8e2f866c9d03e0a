import { Schema } from "effect"
import { AgentId, IssueId, ProjectId, UserId } from "../../domain/Ids.ts"
import { Priority } from "../../domain/Issue.ts"
import {
  ListedComment,
  ProjectContext,
  TaskerComment,
  TaskerIssue,
  TaskerProject
} from "../../domain/Tasker.ts"

/**
 * Tasker's internal API as the gateway uses it: ten calls with their parameters, bodies and responses.
 * `taskerCalls.ts` sends and reads by these schemas, and `docs/TASKER_API.md` is generated from them.
 */

export const apiPath = "/api/internal/nodedc/agent"

/** `external_source` of all that the gateway makes. */
export const externalSource = "nodedc-agent-gateway" as const

const said = (description: string) => ({ description })

export const Actor = Schema.Struct({
  agent_id: AgentId.pipe(Schema.annotateEncoded(said("UUID of the agent."))),
  agent_display_name: Schema.String.annotateKey(said("Name of the agent, for people.")),
  owner_user_id: UserId.annotateKey(said("Id of the person in whose name the agent acts.")),
  owner_email: Schema.String.annotateKey(said("E-mail address of that person."))
}).annotate({ identifier: "Actor" })

const actor = Actor.annotateKey(said("Who acts, and for whom. It names the same ids as the headers."))
const project_id = ProjectId.pipe(Schema.annotateEncoded(said("UUID of the project.")))

/** Headers of every call. */
export const CallHeaders = Schema.Struct({
  Authorization: Schema.String.annotateKey(said("`Bearer` and `NODEDC_INTERNAL_ACCESS_TOKEN`.")),
  "X-Request-Id": Schema.String.annotateKey(
    said("Id of the request, also in the gateway's log and audit trail.")
  ),
  "X-NodeDC-Agent-Id": Schema.String.annotateKey(said("UUID of the agent.")),
  "X-NodeDC-Owner-Id": Schema.String.annotateKey(
    said("Id of the owner. Characters other than visible ASCII, and `%`, are percent-encoded.")
  ),
  traceparent: Schema.String.annotateKey(said("W3C Trace Context."))
})

/** The further header of a write. */
export const WriteHeaders = Schema.Struct({
  "Idempotency-Key": Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)).annotateKey(
    said("One value per write. Every resend of the write carries the same one.")
  )
})

const CardId = Schema.Struct({ issue_id: IssueId.pipe(Schema.annotateEncoded(said("UUID of the card."))) })

export const ResolveBody = Schema.Struct({
  workspace_slug: Schema.String.annotateKey(said("Slug of the workspace.")),
  project_id: Schema.optionalKey(ProjectId.pipe(Schema.annotateEncoded(said("UUID of the project.")))),
  identifier: Schema.optionalKey(Schema.String).annotateKey(said("Its identifier, in any case.")),
  name: Schema.optionalKey(Schema.String).annotateKey(
    said("Its name. How alike two names must be is Tasker's to decide.")
  ),
  actor
}).annotate(said("Exactly one of `project_id`, `identifier` and `name` is sent."))
export type ResolveBody = typeof ResolveBody.Type

const paging = {
  cursor: Schema.optionalKey(Schema.String).annotateKey(
    said("`next_cursor` of the page before. It is only sent with the same `limit` and filters.")
  ),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))).annotateKey(
    said("Most results of a page.")
  )
}

export const IssuesQuery = Schema.Struct({
  project_id,
  issue_id: Schema.optionalKey(
    IssueId.pipe(Schema.annotateEncoded(said("Look-up: the card with this UUID, or none.")))
  ),
  identifier: Schema.optionalKey(Schema.String).annotateKey(
    said("Look-up: the card with this identifier, in any case, or none.")
  ),
  external_id: Schema.optionalKey(Schema.String).annotateKey(
    said("Look-up: the cards with this `external_id`, or none.")
  ),
  state_id: Schema.optionalKey(Schema.String).annotateKey(said("Filter: cards in this state.")),
  label_id: Schema.optionalKey(Schema.String).annotateKey(said("Filter: cards with this label.")),
  assignee_id: Schema.optionalKey(Schema.String).annotateKey(said("Filter: cards of this assignee.")),
  priority: Schema.optionalKey(Priority).annotateKey(said("Filter: cards of this priority.")),
  search: Schema.optionalKey(Schema.String).annotateKey(
    said("Filter: cards whose name contains this text, in any case.")
  ),
  updated_after: Schema.optionalKey(Schema.String).annotateKey(
    said("Filter: cards whose `updated_at` is later than this time.")
  ),
  ...paging
})

export const CommentsQuery = Schema.Struct({ project_id, ...paging })

const mark = {
  external_source: Schema.Literal(externalSource),
  external_id: Schema.String.annotateKey(said("Equals `Idempotency-Key`."))
}

const onProject = { project_id, actor }

export const CreateBody = Schema.Struct({
  ...onProject,
  name: Schema.String.annotateKey(said("1–255 characters.")),
  description_html: Schema.String.annotateKey(said("Sanitised HTML. A card without text: `<p></p>`.")),
  priority: Priority,
  state_id: Schema.NullOr(Schema.String).annotateKey(said("Null: the project's default state.")),
  label_ids: Schema.Array(Schema.String).annotateKey(said("Ids of labels of the project.")),
  assignee_ids: Schema.Array(Schema.String).annotateKey(said("Ids of members with role 15 or more.")),
  start_date: Schema.NullOr(Schema.String).annotateKey(said("`YYYY-MM-DD`, not after `target_date`.")),
  target_date: Schema.NullOr(Schema.String).annotateKey(said("`YYYY-MM-DD`.")),
  parent_id: Schema.NullOr(IssueId.pipe(Schema.annotateEncoded(said("UUID of a card of the same project.")))),
  ...mark
})
export type CreateBody = typeof CreateBody.Type

const onCard = {
  ...onProject,
  expected_updated_at: Schema.String.annotateKey(
    said("The card's `updated_at` when the change was planned. If it differs, refuse with 409.")
  )
}

export const UpdateBody = Schema.Struct({
  ...onCard,
  name: Schema.optionalKey(CreateBody.fields.name).annotateKey(said("1–255 characters.")),
  description_html: Schema.optionalKey(Schema.String).annotateKey(
    said("Sanitised HTML. An emptied text: `<p></p>`.")
  ),
  priority: Schema.optionalKey(Priority),
  start_date: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(said("Null clears it.")),
  target_date: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(said("Null clears it.")),
  parent_id: Schema.optionalKey(Schema.NullOr(IssueId.pipe(Schema.annotateEncoded(said("Null clears it.")))))
}).annotate(said("A field that is left out stays as it is."))
export type UpdateBody = typeof UpdateBody.Type

export const MoveBody = Schema.Struct({
  ...onCard,
  state_id: Schema.String.annotateKey(said("Id of a state of the project."))
})
export type MoveBody = typeof MoveBody.Type

export const LabelsBody = Schema.Struct({
  ...onCard,
  label_ids: Schema.Array(Schema.String).annotateKey(said("The complete new set."))
})
export type LabelsBody = typeof LabelsBody.Type

export const AssigneesBody = Schema.Struct({
  ...onCard,
  assignee_ids: Schema.Array(Schema.String).annotateKey(said("The complete new set."))
})
export type AssigneesBody = typeof AssigneesBody.Type

export const CommentBody = Schema.Struct({
  ...onProject,
  comment_html: Schema.String.annotateKey(said("Sanitised HTML.")),
  ...mark
})
export type CommentBody = typeof CommentBody.Type

export const IssueResponse = Schema.Struct({
  issue: TaskerIssue.annotateKey(said("The card as it is after the write."))
})

const next_cursor = Schema.NullOr(Schema.String).annotateKey(
  said("`cursor` of the next page; null on the last one.")
)

/** A schema of an object that is read without services. */
export interface Fields extends Schema.Decoder<unknown> {
  readonly fields: Schema.Struct.Fields
}

/** A Tasker that lists all cards at once may leave both out. */
const restOfIssues = {
  next_cursor: Schema.optionalKey(Schema.NullOr(Schema.String)).annotateKey(
    said("`cursor` of the next page; null on the last one. Without it all cards are in this response.")
  ),
  total_count: Schema.optionalKey(Schema.NullOr(Schema.Int)).annotateKey(
    said("How many cards there are under these filters.")
  )
}
export const RestOfIssues = Schema.Struct(restOfIssues)
export type RestOfIssues = typeof RestOfIssues.Type

export interface Endpoint {
  readonly method: "GET" | "POST" | "PATCH" | "PUT"
  /** Below `apiPath`. */
  readonly path: `/${string}`
  readonly title: string
  readonly writes: boolean
  readonly parameters?: Fields
  readonly query?: Fields
  readonly body?: Fields
  /** Documented status of a success; the adapter reads any other 2xx as well. */
  readonly status: 200 | 201
  readonly response: Fields
}

export const endpoints = {
  resolveProject: {
    method: "POST",
    path: "/projects/resolve",
    title: "Finds a project",
    writes: false,
    body: ResolveBody,
    status: 200,
    response: Schema.Struct({ project: TaskerProject })
  },
  projectContext: {
    method: "GET",
    path: "/projects/:project_id/context",
    title: "Reads a project's states, labels and members",
    writes: false,
    parameters: Schema.Struct({ project_id }),
    status: 200,
    response: ProjectContext
  },
  listIssues: {
    method: "GET",
    path: "/issues",
    title: "Lists cards, newest first, or looks one up",
    writes: false,
    query: IssuesQuery,
    status: 200,
    response: Schema.Struct({ results: Schema.Array(TaskerIssue), ...restOfIssues })
  },
  createIssue: {
    method: "POST",
    path: "/issues",
    title: "Creates a card",
    writes: true,
    body: CreateBody,
    status: 201,
    response: IssueResponse
  },
  updateIssue: {
    method: "PATCH",
    path: "/issues/:issue_id",
    title: "Changes fields of a card",
    writes: true,
    parameters: CardId,
    body: UpdateBody,
    status: 200,
    response: IssueResponse
  },
  moveIssue: {
    method: "POST",
    path: "/issues/:issue_id/move",
    title: "Moves a card to a state",
    writes: true,
    parameters: CardId,
    body: MoveBody,
    status: 200,
    response: IssueResponse
  },
  addComment: {
    method: "POST",
    path: "/issues/:issue_id/comments",
    title: "Comments on a card",
    writes: true,
    parameters: CardId,
    body: CommentBody,
    status: 201,
    response: Schema.Struct({ comment: TaskerComment })
  },
  setLabels: {
    method: "PUT",
    path: "/issues/:issue_id/labels",
    title: "Replaces a card's labels",
    writes: true,
    parameters: CardId,
    body: LabelsBody,
    status: 200,
    response: IssueResponse
  },
  setAssignees: {
    method: "PUT",
    path: "/issues/:issue_id/assignees",
    title: "Replaces a card's assignees",
    writes: true,
    parameters: CardId,
    body: AssigneesBody,
    status: 200,
    response: IssueResponse
  },
  listComments: {
    method: "GET",
    path: "/issues/:issue_id/comments",
    title: "Lists a card's comments",
    writes: false,
    parameters: CardId,
    query: CommentsQuery,
    status: 200,
    response: Schema.Struct({ results: Schema.Array(ListedComment), next_cursor })
  }
} satisfies Readonly<Record<string, Endpoint>>

export type EndpointName = keyof typeof endpoints
