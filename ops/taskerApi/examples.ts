import type { EndpointName } from "../../src/layers/tasker/taskerApi.ts"

/** One example of every header, parameter, body and response. A test decodes each by its schema. */

const ids = {
  project: "6c21ff8c-70dc-4d64-9185-b6180ec4a2c8",
  card: "b0b3f3a1-2b9e-4b7e-8f53-1c8a3f1f6f0e",
  parent: "11111111-1111-4111-8111-111111111111",
  comment: "5f0d2c57-8d0f-4bd4-8a4e-2a1f3c9d7b60",
  backlog: "0d0e8b1c-0d75-4a53-b1f5-5f0c5b0e5a01",
  started: "0d0e8b1c-0d75-4a53-b1f5-5f0c5b0e5a02",
  bug: "9a4c4f2e-6a52-4b7c-9f0c-3f0f3d5d8c11",
  olga: "c82d6273-17ab-4344-89a4-5e4894557b40",
  key: "3f9c1d0a7b5e4c2f8a6d0e1b9c7f5a3d2e4b6c8f0a1d3e5b7c9f1a2d4e6b8c0f"
}

const actor = {
  agent_id: "7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b",
  agent_display_name: "Olga's Codex",
  owner_user_id: ids.olga,
  owner_email: "olga@example.test"
}

const seen = "2026-11-24T10:11:12.123456Z"

const issue = {
  id: ids.card,
  project_id: ids.project,
  sequence_id: 12,
  identifier: "OPS-12",
  name: "Rotate the certificates",
  description_html: "<p>Before <strong>Friday</strong>.</p>",
  priority: "high",
  state_id: ids.backlog,
  label_ids: [ids.bug],
  assignee_ids: [ids.olga],
  start_date: "2026-11-24",
  target_date: "2026-11-27",
  parent_id: ids.parent,
  created_at: "2026-11-24T10:11:12.123456Z",
  updated_at: seen,
  url: "https://tasker.example.test/nodedc/browse/OPS-12/",
  external_id: ids.key
}

const comment = {
  id: ids.comment,
  issue_id: ids.card,
  comment_html: "<p>Two of five are done.</p>",
  created_at: "2026-11-24T11:00:00.000000Z"
}

const project = { id: ids.project, name: "Operations", identifier: "OPS", workspace_slug: "nodedc" }

const onCard = { expected_updated_at: seen, project_id: ids.project, actor }
const mark = { external_source: "nodedc-agent-gateway", external_id: ids.key }
const changed = { ...issue, updated_at: "2026-11-24T10:20:00.654321Z" }

export const headers: Readonly<Record<string, string>> = {
  Authorization: "Bearer <NODEDC_INTERNAL_ACCESS_TOKEN>",
  "X-Request-Id": "req-7c5f0f6a",
  "X-NodeDC-Agent-Id": actor.agent_id,
  "X-NodeDC-Owner-Id": actor.owner_user_id,
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  "Idempotency-Key": ids.key
}

/** Of the schemas that have a name. */
export const named: Readonly<Record<string, unknown>> = {
  Actor: actor,
  Issue: issue,
  Comment: comment,
  ListedComment: { ...comment, author: { id: ids.olga, display_name: "Olga" }, external_id: ids.key },
  Project: project
}

export interface Example {
  readonly parameters?: Readonly<Record<string, string>>
  /** A value of every parameter; a request carries those that it needs. */
  readonly query?: Readonly<Record<string, string | number>>
  /** The parameters of the request that is shown. */
  readonly asked?: ReadonlyArray<string>
  readonly body?: Readonly<Record<string, unknown>>
  readonly response: Readonly<Record<string, unknown>>
}

export const examples: Readonly<Record<EndpointName, Example>> = {
  resolveProject: {
    body: {
      workspace_slug: "nodedc",
      project_id: ids.project,
      identifier: "OPS",
      name: "Operations",
      actor
    },
    asked: ["workspace_slug", "identifier", "actor"],
    response: { project }
  },
  projectContext: {
    parameters: { project_id: ids.project },
    response: {
      project,
      states: [
        { id: ids.backlog, name: "Backlog", group: "backlog", color: "#60646C", default: true },
        { id: ids.started, name: "In Progress", group: "started", color: "#F59E0B", default: false }
      ],
      labels: [{ id: ids.bug, name: "bug", color: "#E5484D" }],
      members: [{ id: ids.olga, display_name: "Olga", email: "olga@example.test", role: 20 }]
    }
  },
  listIssues: {
    query: {
      project_id: ids.project,
      issue_id: ids.card,
      identifier: "OPS-12",
      external_id: ids.key,
      state_id: ids.backlog,
      label_id: ids.bug,
      assignee_id: ids.olga,
      priority: "high",
      search: "certificate",
      updated_after: "2026-11-24T00:00:00Z",
      cursor: "eyJhZnRlciI6Ik9QUy0xMyJ9",
      limit: 20
    },
    asked: ["project_id", "state_id", "limit"],
    response: { results: [issue], next_cursor: null, total_count: 1 }
  },
  createIssue: {
    body: {
      project_id: ids.project,
      name: issue.name,
      description_html: issue.description_html,
      priority: issue.priority,
      state_id: ids.backlog,
      label_ids: [ids.bug],
      assignee_ids: [ids.olga],
      start_date: issue.start_date,
      target_date: issue.target_date,
      parent_id: ids.parent,
      ...mark,
      actor
    },
    response: { issue }
  },
  updateIssue: {
    parameters: { issue_id: ids.card },
    body: {
      name: "Rotate the certificates of the proxies",
      description_html: "<p></p>",
      priority: "urgent",
      start_date: null,
      target_date: "2026-11-28",
      parent_id: null,
      ...onCard
    },
    asked: ["priority", "target_date", "expected_updated_at", "project_id", "actor"],
    response: { issue: { ...changed, priority: "urgent", target_date: "2026-11-28" } }
  },
  moveIssue: {
    parameters: { issue_id: ids.card },
    body: { state_id: ids.started, ...onCard },
    response: { issue: { ...changed, state_id: ids.started } }
  },
  addComment: {
    parameters: { issue_id: ids.card },
    body: { comment_html: comment.comment_html, ...mark, project_id: ids.project, actor },
    response: { comment }
  },
  setLabels: {
    parameters: { issue_id: ids.card },
    body: { label_ids: [], ...onCard },
    response: { issue: { ...changed, label_ids: [] } }
  },
  setAssignees: {
    parameters: { issue_id: ids.card },
    body: { assignee_ids: [ids.olga], ...onCard },
    response: { issue: changed }
  },
  listComments: {
    parameters: { issue_id: ids.card },
    query: { project_id: ids.project, cursor: "eyJhZnRlciI6NDF9", limit: 25 },
    asked: ["project_id", "limit"],
    response: {
      results: [{ ...comment, author: { id: ids.olga, display_name: "Olga" }, external_id: ids.key }],
      next_cursor: null
    }
  }
}
