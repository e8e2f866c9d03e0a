import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { CommentId, IssueId, ProjectId, type UserId } from "../../src/domain/Ids.ts"
import type { CreateIssue } from "../../src/domain/Write.ts"
import { type OnBehalf, type Purpose, TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { type PlaneProject, people } from "./plane.ts"
import { PlaneWorld } from "./plane-world.ts"
import { agent } from "./tasker-api.ts"

/** A project on the reference Plane and the adapter, asked on account of ivan's agent. */
export const bench = Effect.fnUntraced(function* (project: Partial<PlaneProject> = {}) {
  const { plane } = yield* PlaneWorld
  const tasker = yield* TaskerAdapter
  // A workspace of its own, of which nothing is cached.
  const seeded = yield* plane.project({ workspace_slug: `w-${randomUUID().slice(0, 8)}`, ...project })
  const slug = seeded.project.workspace_slug
  const projectId = ProjectId.make(seeded.project.id)
  const path = `/api/v1/workspaces/${slug}/projects/${projectId}`
  const idOf = (found: ReadonlyArray<{ readonly id: string; readonly name: string }>, name: string) =>
    found.find((one) => one.name === name)?.id ?? ""
  const person = (name: string) => seeded.members.find(({ email }) => email.startsWith(`${name}@`))?.id ?? ""
  const who = (purpose: Purpose = "read", owner = person("ivan")): OnBehalf => ({
    agent: { ...agent, owner_user_id: owner as UserId, owner_email: `${owner}@nowhere.test` },
    requestId: randomUUID(),
    workspaceSlug: slug,
    purpose
  })
  const create = (fields: Partial<CreateIssue> = {}): CreateIssue => ({
    _tag: "CreateIssue",
    project_id: projectId,
    name: "A card",
    description_html: "<p>text</p>",
    priority: "none",
    state_id: null,
    label_ids: [],
    assignee_ids: [],
    start_date: null,
    target_date: null,
    parent_id: null,
    ...fields
  })
  return {
    plane,
    tasker,
    seeded,
    slug,
    projectId,
    path,
    person,
    who,
    create,
    state: (name: string) => idOf(seeded.states, name),
    label: (name: string) => idOf(seeded.labels, name),
    /** A card that a person made. */
    card: (fields: object = {}) =>
      Effect.map(plane.request(`${path}/issues/`, { body: { name: "A card", ...fields } }), ({ json }) =>
        IssueId.make(json.id)
      ),
    ticket: (upstreamKey: string = randomUUID(), owner?: string) => ({ ...who("write", owner), upstreamKey }),
    /** A change's target: what the pipeline read before it planned. */
    target: (issue_id: IssueId) => ({
      project_id: projectId,
      issue_id,
      seen_updated_at: "2026-01-01T00:00:00Z"
    }),
    /** Requests that Plane received while an effect ran. */
    requestsOf: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const before = (yield* plane.requests).length
        yield* Effect.exit(effect)
        return (yield* plane.requests).slice(before)
      })
  }
})

export const unknownIssue = IssueId.make("00000000-0000-4000-8000-000000000000")
export const unknownComment = CommentId.make("00000000-0000-4000-8000-000000000001")

/** Another project of the same workspace, with the same people. */
export const neighbour = Effect.fnUntraced(function* (slug: string, project: Partial<PlaneProject> = {}) {
  const { plane } = yield* PlaneWorld
  return yield* plane.project({ workspace_slug: slug, members: people, ...project })
})
