import { Effect, Schema } from "effect"
import { IssueId, ProjectId } from "../../src/domain/Ids.ts"
import { Agent } from "../../src/domain/Principal.ts"
import type { TaskerIssue } from "../../src/domain/Tasker.ts"
import type { WriteFailed } from "../../src/domain/WriteFailed.ts"
import type { TaskerAdapter, TaskerError } from "../../src/services/TaskerAdapter.ts"

/** The ten calls of Tasker's API as a table: what a test of every call goes through. */

export const projectId = Schema.decodeSync(ProjectId)("11111111-1111-4111-8111-111111111111")
export const otherProjectId = Schema.decodeSync(ProjectId)("22222222-2222-4222-8222-222222222222")
export const issueId = Schema.decodeSync(IssueId)("33333333-3333-4333-8333-333333333333")
export const otherIssueId = Schema.decodeSync(IssueId)("44444444-4444-4444-8444-444444444444")
const commentId = "55555555-5555-4555-8555-555555555555"

export const agent = Schema.decodeSync(Agent)({
  id: "66666666-6666-4666-8666-666666666666",
  owner_user_id: "owner-1",
  owner_email: "owner@example.org",
  display_name: "Агент 007",
  status: "active",
  disabled_reason: null,
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z"
})
export const upstreamKey = "ab".repeat(32)
export const who = { agent, requestId: "request-1", workspaceSlug: "nodedc" }
export const ticket = { ...who, upstreamKey }
export const actor = {
  agent_id: agent.id,
  agent_display_name: agent.display_name,
  owner_user_id: agent.owner_user_id,
  owner_email: agent.owner_email
}

export const issue: TaskerIssue = {
  id: issueId,
  project_id: projectId,
  sequence_id: 12,
  identifier: "OPS-12",
  name: "Заголовок 🚀",
  description_html: "<p>text</p>",
  priority: "high",
  state_id: "state-1",
  label_ids: ["label-1"],
  assignee_ids: ["owner-1"],
  start_date: null,
  target_date: null,
  parent_id: null,
  created_at: "2026-01-01T00:00:00.000001Z",
  updated_at: "2026-01-02T00:00:00.123456Z",
  url: "https://tasker.example.org/OPS-12"
}
export const project = { id: projectId, name: "Operations", identifier: "OPS", workspace_slug: "nodedc" }
export const context = {
  project,
  states: [{ id: "state-1", name: "Todo", group: "unstarted", color: null, default: true }],
  labels: [{ id: "label-1", name: "bug" }],
  members: [{ id: "owner-1", display_name: "Owner", email: "owner@example.org", role: 20 }]
}
const comment = {
  id: commentId,
  issue_id: issueId,
  comment_html: "<p>hi</p>",
  created_at: "2026-01-01T00:00:00Z"
}
const listed = { ...comment, author: { id: "owner-1", display_name: "Owner" }, external_id: null }

export interface ApiCall {
  readonly name: string
  readonly write: boolean
  /** Whether Tasker's 409 with an id is a success. */
  readonly makes: boolean
  readonly attempt: (tasker: TaskerAdapter["Service"]) => Effect.Effect<unknown, TaskerError | WriteFailed>
  /** Makes the same call, and fails with what callers are told. */
  readonly run: (tasker: TaskerAdapter["Service"]) => Effect.Effect<unknown, TaskerError>
  readonly request: { readonly method: string; readonly path: string; readonly body?: unknown }
  readonly good: { readonly status: number; readonly body: unknown; readonly value: unknown }
  /** Answers of the right form to what was not asked. */
  readonly astray: ReadonlyArray<unknown>
}

const onIssue = {
  project_id: projectId,
  issue_id: issueId,
  seen_updated_at: issue.updated_at
}
const strayIssues = [
  { issue: { ...issue, project_id: otherProjectId } },
  { issue: { ...issue, id: otherIssueId } }
]
const list = (...results: ReadonlyArray<unknown>) => ({
  results,
  next_cursor: "next",
  total_count: results.length
})
const ofIssue = { status: 200, body: { issue, later: "ignored" }, value: issue }
const written = { project_id: projectId, actor }
const external = { external_source: "nodedc-agent-gateway", external_id: upstreamKey }
const expected = { expected_updated_at: issue.updated_at }
const read = { write: false, makes: false } as const
const change = { write: true, makes: false, good: ofIssue, astray: strayIssues } as const
const creation = {
  project_id: projectId,
  name: "Заголовок",
  description_html: "<p>text</p>",
  priority: "none",
  state_id: null,
  label_ids: ["label-1"],
  assignee_ids: [],
  start_date: null,
  target_date: "2026-02-01",
  parent_id: null
} as const

/** The failure that callers are told, whatever its tag says of a write. */
export const failureIn = (error: TaskerError | WriteFailed): TaskerError =>
  "failure" in error ? error.failure : error

const calls: ReadonlyArray<Omit<ApiCall, "run">> = [
  {
    ...read,
    name: "resolveProject",
    attempt: (tasker) => tasker.resolveProject(who, { workspace_slug: "nodedc", identifier: "OPS" }),
    request: {
      method: "POST",
      path: "/projects/resolve",
      body: { workspace_slug: "nodedc", identifier: "OPS", actor }
    },
    good: { status: 200, body: { project: { ...project, later: 1 } }, value: project },
    astray: [
      { project: { ...project, identifier: "WEB" } },
      { project: { ...project, workspace_slug: "other" } }
    ]
  },
  {
    ...read,
    name: "projectContext",
    attempt: (tasker) => tasker.projectContext(who, projectId),
    request: { method: "GET", path: `/projects/${projectId}/context` },
    good: { status: 200, body: context, value: context },
    astray: [{ ...context, project: { ...project, id: otherProjectId } }]
  },
  {
    ...read,
    name: "listIssues",
    attempt: (tasker) => tasker.listIssues(who, { project_id: projectId, search: "a&b=ж", limit: 20 }),
    request: {
      method: "GET",
      path: `/issues?project_id=${projectId}&search=a%26b%3D%D0%B6&limit=20`
    },
    // The card does not match: what Tasker counted is something else.
    good: { status: 200, body: list(issue), value: { ...list(issue), total_count: null, listed_count: 1 } },
    astray: [list(issue, { ...issue, id: otherIssueId, project_id: otherProjectId })]
  },
  {
    ...read,
    name: "listComments",
    attempt: (tasker) => tasker.listComments(who, { project_id: projectId, issue_id: issueId, cursor: "c" }),
    request: { method: "GET", path: `/issues/${issueId}/comments?project_id=${projectId}&cursor=c` },
    good: {
      status: 200,
      body: { results: [listed], next_cursor: null },
      value: { results: [listed], next_cursor: null }
    },
    astray: [{ results: [listed, { ...listed, issue_id: otherIssueId }], next_cursor: null }]
  },
  {
    name: "createIssue",
    write: true,
    makes: true,
    attempt: (tasker) => tasker.createIssue(ticket, { _tag: "CreateIssue", ...creation }),
    request: { method: "POST", path: "/issues", body: { ...creation, ...external, actor } },
    good: { status: 201, body: { issue }, value: { _tag: "Made", value: issue } },
    astray: [{ issue: { ...issue, project_id: otherProjectId } }]
  },
  {
    ...change,
    name: "updateIssue",
    attempt: (tasker) =>
      tasker.updateIssue(ticket, {
        _tag: "UpdateIssue",
        ...onIssue,
        fields: { name: "New", target_date: null }
      }),
    request: {
      method: "PATCH",
      path: `/issues/${issueId}`,
      body: { name: "New", target_date: null, ...expected, ...written }
    }
  },
  {
    ...change,
    name: "moveIssue",
    attempt: (tasker) => tasker.moveIssue(ticket, { _tag: "MoveIssue", ...onIssue, state_id: "state-2" }),
    request: {
      method: "POST",
      path: `/issues/${issueId}/move`,
      body: { state_id: "state-2", ...expected, ...written }
    }
  },
  {
    ...change,
    name: "setLabels",
    attempt: (tasker) =>
      tasker.setLabels(ticket, {
        _tag: "SetLabels",
        ...onIssue,
        label_ids: ["l"]
      }),
    request: {
      method: "PUT",
      path: `/issues/${issueId}/labels`,
      body: { label_ids: ["l"], ...expected, ...written }
    }
  },
  {
    ...change,
    name: "setAssignees",
    attempt: (tasker) => tasker.setAssignees(ticket, { _tag: "SetAssignees", ...onIssue, assignee_ids: [] }),
    request: {
      method: "PUT",
      path: `/issues/${issueId}/assignees`,
      body: { assignee_ids: [], ...expected, ...written }
    }
  },
  {
    name: "addComment",
    write: true,
    makes: true,
    attempt: (tasker) =>
      tasker.addComment(ticket, {
        _tag: "AddComment",
        project_id: projectId,
        issue_id: issueId,
        comment_html: "<p>hi</p>"
      }),
    request: {
      method: "POST",
      path: `/issues/${issueId}/comments`,
      body: { comment_html: "<p>hi</p>", ...external, ...written }
    },
    good: { status: 201, body: { comment }, value: { _tag: "Made", value: comment } },
    astray: [{ comment: { ...comment, issue_id: otherIssueId } }]
  }
]

export const api: ReadonlyArray<ApiCall> = calls.map((call) => ({
  ...call,
  run: (tasker) => Effect.mapError(call.attempt(tasker), failureIn)
}))
