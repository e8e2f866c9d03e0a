import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import type { tools } from "../../src/tools/registry.ts"
import { newAgent, ReferenceTasker } from "./served.ts"
import { call } from "./tool-calls.ts"

/**
 * One row a tool: arguments with which a call succeeds. The matrices are made from these rows and from
 * what the tools themselves say, so a tool without its row fails them.
 */

/** Words that stand in cards and projects and nowhere else: an answer that holds one has shown it. */
export const marks = {
  cardName: "Zinnober-name",
  cardText: "Zinnober-text",
  label: "Zinnober-label",
  state: "Zinnober-state",
  member: "Zinnober-member",
  project: "Zinnober-project"
} as const

export interface Scene {
  readonly projectId: string
  readonly identifier: string
  readonly issueId: string
  readonly parentId: string
  readonly stateName: string
  /** A project of the same workspace, with a card, of which the agents have no grant. */
  readonly other: { readonly projectId: string; readonly issueId: string }
}

type Args = Readonly<Record<string, unknown>>

/** What besides `project_id` and `idempotency_key` a call that succeeds is made of. */
export const rows: Readonly<Record<string, (scene: Scene) => Args>> = {
  tasker_get_session: () => ({}),
  tasker_resolve_project: ({ projectId }) => ({ project_id: projectId }),
  tasker_get_project_context: () => ({}),
  tasker_list_issues: () => ({}),
  tasker_get_issue: ({ issueId }) => ({ issue_id: issueId }),
  tasker_list_comments: ({ issueId }) => ({ issue_id: issueId }),
  tasker_create_issue: ({ stateName, parentId }) => ({
    name: "A card of the matrix",
    description: "Its text",
    state: stateName,
    labels: [marks.label],
    parent_id: parentId
  }),
  tasker_update_issue: ({ issueId, parentId }) => ({
    issue_id: issueId,
    priority: "high",
    parent_id: parentId
  }),
  tasker_move_issue: ({ issueId, stateName }) => ({ issue_id: issueId, state: stateName }),
  tasker_add_comment: ({ issueId }) => ({ issue_id: issueId, comment: "A comment of the matrix" }),
  tasker_set_labels: ({ issueId }) => ({ issue_id: issueId, labels: [marks.label] }),
  tasker_set_assignees: ({ issueId }) => ({ issue_id: issueId, assignees: [marks.member] })
}

/** Whether a tool changes anything, as it tells its callers. */
export const writes = ({ listing }: (typeof tools)[number]): boolean => !listing.annotations.readOnlyHint

/** The names of a tool's arguments. */
export const argumentsOf = (tool: (typeof tools)[number]): ReadonlySet<string> =>
  new Set(Object.keys(tool.listing.inputSchema.properties as object))

/** A call of a tool that succeeds where the agent may make it; every write under a key of its own. */
export const argsOf = (tool: (typeof tools)[number], scene: Scene): Args => {
  const named = argumentsOf(tool)
  return {
    ...(named.has("project_id") ? { project_id: scene.projectId } : {}),
    ...(named.has("idempotency_key") ? { idempotency_key: `row-${randomUUID()}` } : {}),
    ...rows[tool.name]?.(scene)
  }
}

/** Two projects with cards, made by an agent that the matrices then know nothing of. */
export const makeScene = Effect.gen(function* () {
  const tasker = yield* ReferenceTasker
  const states = [
    { name: marks.state, group: "unstarted", default: true },
    { name: "Zinnober-state-2", group: "started" }
  ]
  const seed = (identifier: string) =>
    tasker.project({
      identifier,
      name: `${marks.project} ${identifier}`,
      labels: [{ name: marks.label }],
      members: [
        { id: "owner-1", display_name: "Olga Owner", email: "owner@example.test", role: 20 },
        { id: "member-1", display_name: marks.member, email: "member@example.test", role: 15 }
      ],
      states
    } as object)
  const here = yield* seed("HERE")
  const there = yield* seed("THERE")
  const grants = [here, there].map(({ project }) => ({
    project_id: project.id,
    workspace_slug: project.workspace_slug,
    scopes: allScopes
  }))
  const { token } = yield* newAgent(grants)
  const card = (projectId: string, name: string) =>
    Effect.map(
      call("rest", token, "tasker_create_issue", {
        project_id: projectId,
        name,
        description: marks.cardText,
        idempotency_key: `scene-${randomUUID()}`
      }),
      ({ content }) => content.issue.id as string
    )
  return {
    projectId: here.project.id,
    identifier: here.project.identifier,
    issueId: yield* card(here.project.id, marks.cardName),
    parentId: yield* card(here.project.id, "A parent"),
    stateName: "Zinnober-state-2",
    other: {
      projectId: there.project.id,
      issueId: yield* card(there.project.id, "A card elsewhere")
    }
  } satisfies Scene
})

/** Terms of a grant on the scene's project. */
export const termsOf = (scene: Scene, scopes: ReadonlyArray<string>, projectId = scene.projectId) => ({
  project_id: projectId,
  workspace_slug: "nodedc",
  scopes
})
