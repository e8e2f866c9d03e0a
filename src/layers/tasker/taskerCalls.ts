import { Result } from "effect"
import type { IssueId, ProjectId } from "../../domain/Ids.ts"
import type { Project } from "../../domain/Issue.ts"
import {
  type CommentQuery,
  type IssuePage,
  type IssueQuery,
  type ListedComment,
  type Page,
  type ProjectContext,
  type ProjectQuery,
  type TaskerComment,
  TaskerIssue
} from "../../domain/Tasker.ts"
import type {
  AddComment,
  CreateIssue,
  IssueChange,
  MoveIssue,
  SetAssignees,
  SetLabels,
  UpdateIssue
} from "../../domain/Write.ts"
import type { OnBehalf, WriteTicket } from "../../services/TaskerAdapter.ts"
import type { Request } from "./TaskerHttp.ts"
import { decoder } from "./taskerAnswers.ts"
import * as Api from "./taskerApi.ts"
import { type ByRow, byRow } from "./taskerRows.ts"

/** What goes out to Tasker. */
export interface Outgoing {
  readonly name: string
  readonly method: Request["method"]
  /** Below the API's base path, with the query. */
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
  /** A ticket makes it a write. */
  readonly who: OnBehalf | WriteTicket
  /** As the sentence of a failure begins, with ids only: "Reading card …". */
  readonly doing: string
  readonly projectId: ProjectId | undefined
  /** A Tasker of an earlier version may lack it. */
  readonly newer?: true
  /** A create or a comment, whose 409 may name what exists already. */
  readonly makes?: true
  /** A look-up for what one write made. */
  readonly lookUp?: true
  /** A list of cards, which may be longer than is read at once. */
  readonly listsCards?: true
}

/**
 * One call to Tasker as data: what is sent, how its answer is read, and what in the answer would be
 * astray. These ten are all there are; `TaskerInternal` sends them.
 */
export interface Call<A> extends Outgoing {
  readonly decode: (json: unknown) => Result.Result<A, string>
  /** How a long answer is read. */
  readonly byRow?: ByRow<A>
  /** Why an answer of the right form is nevertheless not one to what was asked. */
  readonly strays: (answer: A) => string | undefined
}

export const resolveProject = (who: OnBehalf, query: ProjectQuery): Call<Project> => {
  const { workspace_slug, project_id, identifier, name } = query
  return {
    ...route("resolveProject", {}),
    body: {
      workspace_slug,
      ...(project_id === undefined ? {} : { project_id }),
      ...(identifier === undefined ? {} : { identifier }),
      ...(name === undefined ? {} : { name }),
      actor: actorOf(who)
    } satisfies Api.ResolveBody,
    who,
    doing: project_id === undefined ? "Looking up a project" : `Looking up project ${project_id}`,
    projectId: project_id,
    decode: readProject,
    // A name is not compared: how alike two names must be is Tasker's to say.
    strays: (project) =>
      (project_id === undefined || project.id === project_id) &&
      (identifier === undefined || sameText(project.identifier, identifier)) &&
      sameText(project.workspace_slug, workspace_slug)
        ? undefined
        : "it answers with another project"
  }
}

export const projectContext = (who: OnBehalf, projectId: ProjectId): Call<ProjectContext> => ({
  ...route("projectContext", { project_id: projectId }),
  who,
  doing: `Reading the states, labels and members of project ${projectId}`,
  projectId,
  decode: decodeContext,
  strays: ({ project }) => (project.id === projectId ? undefined : "it answers with another project")
})

/** Every parameter of `GET /issues`. */
export interface ListQuery extends IssueQuery {
  readonly issue_id?: IssueId
  readonly identifier?: string
  readonly external_id?: string
}

export const listIssues = (who: OnBehalf, query: ListQuery): Call<IssuePage> => ({
  ...route("listIssues", {}, query),
  who,
  doing:
    query.issue_id === undefined
      ? `Listing cards of project ${query.project_id}`
      : `Reading card ${query.issue_id}`,
  projectId: query.project_id,
  listsCards: true,
  decode: (json) => Result.map(decodeIssues(json), ({ results, ...rest }) => issuePage(results, rest)),
  byRow: issuesByRow,
  // A card that was asked for by its id may be another project's: the one who asked tells the agent so.
  strays: ({ results }) =>
    query.issue_id !== undefined || results.every(({ project_id }) => project_id === query.project_id)
      ? undefined
      : "it lists a card of another project"
})

export const listComments = (who: OnBehalf, query: CommentQuery): Call<Page<ListedComment>> => {
  const { project_id, issue_id } = query
  return {
    ...route("listComments", { issue_id }, query),
    who,
    doing: `Listing the comments of card ${issue_id}`,
    projectId: project_id,
    newer: true,
    decode: decodeComments,
    strays: ({ results }) =>
      results.every((comment) => comment.issue_id === issue_id)
        ? undefined
        : "it lists a comment on another card"
  }
}

export const createIssue = (ticket: WriteTicket, write: CreateIssue): Call<TaskerIssue> => {
  const { _tag, ...fields } = write
  return {
    ...route("createIssue", {}),
    body: { ...fields, ...markOf(ticket), actor: actorOf(ticket) } satisfies Api.CreateBody,
    who: ticket,
    doing: `Creating a card in project ${write.project_id}`,
    projectId: write.project_id,
    makes: true,
    decode: readIssue,
    strays: (issue) =>
      issue.project_id === write.project_id ? undefined : "the card it answers with is in another project"
  }
}

export const updateIssue = (ticket: WriteTicket, write: UpdateIssue): Call<TaskerIssue> =>
  change(ticket, write, "updateIssue", "Changing", {
    ...write.fields,
    ...onCard(ticket, write)
  } satisfies Api.UpdateBody)

export const moveIssue = (ticket: WriteTicket, write: MoveIssue): Call<TaskerIssue> =>
  change(ticket, write, "moveIssue", "Moving", {
    state_id: write.state_id,
    ...onCard(ticket, write)
  } satisfies Api.MoveBody)

export const setLabels = (ticket: WriteTicket, write: SetLabels): Call<TaskerIssue> =>
  change(ticket, write, "setLabels", "Setting the labels of", {
    label_ids: write.label_ids,
    ...onCard(ticket, write)
  } satisfies Api.LabelsBody)

export const setAssignees = (ticket: WriteTicket, write: SetAssignees): Call<TaskerIssue> =>
  change(ticket, write, "setAssignees", "Setting the assignees of", {
    assignee_ids: write.assignee_ids,
    ...onCard(ticket, write)
  } satisfies Api.AssigneesBody)

const onCard = (ticket: WriteTicket, write: IssueChange) => ({
  expected_updated_at: write.seen_updated_at,
  project_id: write.project_id,
  actor: actorOf(ticket)
})

const change = (
  ticket: WriteTicket,
  write: IssueChange,
  name: "updateIssue" | "moveIssue" | "setLabels" | "setAssignees",
  doing: string,
  body: Readonly<Record<string, unknown>>
): Call<TaskerIssue> => ({
  ...route(name, { issue_id: write.issue_id }),
  body,
  who: ticket,
  doing: `${doing} card ${write.issue_id}`,
  projectId: write.project_id,
  decode: readIssue,
  strays: (issue) =>
    issue.id === write.issue_id && issue.project_id === write.project_id
      ? undefined
      : "it answers with another card, or with one of another project"
})

export const addComment = (ticket: WriteTicket, write: AddComment): Call<TaskerComment> => ({
  ...route("addComment", { issue_id: write.issue_id }),
  body: {
    comment_html: write.comment_html,
    ...markOf(ticket),
    project_id: write.project_id,
    actor: actorOf(ticket)
  } satisfies Api.CommentBody,
  who: ticket,
  doing: `Commenting on card ${write.issue_id}`,
  projectId: write.project_id,
  makes: true,
  decode: readComment,
  strays: (comment) =>
    comment.issue_id === write.issue_id ? undefined : "the comment it answers with is on another card"
})

/** The key that makes a write one write; undefined for a read. */
export const upstreamKeyOf = ({ who }: Outgoing): string | undefined =>
  "upstreamKey" in who ? who.upstreamKey : undefined

/** Only of a write is it of any account whether it may have been carried out. */
export const isWrite = (call: Outgoing): boolean => upstreamKeyOf(call) !== undefined

export const kindOf = (call: Outgoing): "read" | "write" | "look" =>
  isWrite(call) ? "write" : call.lookUp === true ? "look" : "read"

const actorOf = ({ agent }: OnBehalf) => ({
  agent_id: agent.id,
  agent_display_name: agent.display_name,
  owner_user_id: agent.owner_user_id,
  owner_email: agent.owner_email
})

/** By this a Tasker that does not know `Idempotency-Key` still recognises what it has. */
const markOf = (ticket: WriteTicket) => ({
  external_source: Api.externalSource,
  external_id: ticket.upstreamKey
})

/** The name, method and path of a call. Takes from `query` the parameters that the call has. */
const route = (
  name: Api.EndpointName,
  at: Readonly<Record<string, string>>,
  query: object = {}
): Pick<Outgoing, "name" | "method" | "path"> => {
  const { method, path, query: parameters }: Api.Endpoint = Api.endpoints[name]
  const values = new Map<string, unknown>(Object.entries(query))
  const given = new URLSearchParams()
  for (const parameter of Object.keys(parameters?.fields ?? {})) {
    const value = values.get(parameter)
    if (value !== undefined) given.set(parameter, String(value))
  }
  const filled = path.replace(/:(\w+)/g, (_, segment: string) => encodeURIComponent(at[segment] ?? ""))
  return { name, method, path: given.size === 0 ? filled : `${filled}?${given}` }
}

const sameText = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

const decodeProject = decoder(Api.endpoints.resolveProject.response)
const readProject = (json: unknown) => Result.map(decodeProject(json), ({ project }) => project)
const decodeIssue = decoder(Api.IssueResponse)
const readIssue = (json: unknown) => Result.map(decodeIssue(json), ({ issue }) => issue)
const decodeComment = decoder(Api.endpoints.addComment.response)
const readComment = (json: unknown) => Result.map(decodeComment(json), ({ comment }) => comment)
const decodeContext = decoder(Api.endpoints.projectContext.response)
const decodeIssues = decoder(Api.endpoints.listIssues.response)
const decodeComments = decoder(Api.endpoints.listComments.response)
const issuePage = (results: ReadonlyArray<TaskerIssue>, rest: Api.RestOfIssues): IssuePage => ({
  results,
  next_cursor: rest.next_cursor ?? null,
  total_count: rest.total_count ?? null
})
const issuesByRow = byRow("results", decoder(TaskerIssue), decoder(Api.RestOfIssues), issuePage)
