import { randomUUID } from "node:crypto"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { SdkAnswer } from "./sdk-clients.ts"

/** Where the story plays. Nothing of it but this is taken for known, so that any Tasker will do. */
export interface Setting {
  readonly workspaceSlug: string
  readonly projectId: string
  /** A project of which the agent has no grant. */
  readonly elsewhere: string
}

/**
 * The whole job of an agent: find the project, look at it, create a card from Markdown, repeat the call,
 * comment, move, relabel, list, read, and be refused what is not granted. `call` goes through any door.
 */
export const story = Effect.fnUntraced(function* <R>(
  { workspaceSlug, projectId, elsewhere }: Setting,
  call: (name: string, args: object) => Effect.Effect<SdkAnswer, never, R>
) {
  const run = randomUUID()
  const done = Effect.fnUntraced(function* (name: string, args: object) {
    const { content, error } = yield* call(name, args)
    assert.isUndefined(error, `${name} answered ${JSON.stringify(error)}`)
    return content
  })
  const project_id = projectId
  const write = (name: string, args: object, step: string) =>
    done(name, { project_id, idempotency_key: `story:${step}:${run}`, ...args })

  const session = yield* done("tasker_get_session", {})
  assert.deepStrictEqual(
    session.grants.map((grant: { project_id: string }) => grant.project_id),
    [projectId]
  )

  const { project } = yield* done("tasker_resolve_project", { project_id })
  assert.strictEqual(project.workspace_slug, workspaceSlug)
  const byName = yield* done("tasker_resolve_project", { identifier: project.identifier })
  assert.strictEqual(byName.project.id, projectId)

  const context = yield* done("tasker_get_project_context", { project_id })
  assert.isAtLeast(context.states.length, 2)
  const label = context.labels[0]
  const target =
    context.states.find((state: { group: string }) => state.group === "started") ?? context.states[1]

  const card = {
    name: `Agent gateway smoke ${run.slice(0, 8)}`,
    description: "## Why\n\n- [ ] **one**\n- [x] two\n\n| a | b |\n| --- | --- |\n| 1 | `2` |\n",
    priority: "low",
    ...(label === undefined ? {} : { labels: [label.name] })
  }
  const planned = yield* write("tasker_create_issue", { ...card, dry_run: true }, "create")
  assert.isTrue(planned.dry_run)
  const created = yield* write("tasker_create_issue", card, "create")
  assert.isFalse(created.replayed)
  // A project may have a default assignee: Tasker sets it, and the answer says so.
  for (const { field, message } of created.warnings) {
    assert.strictEqual(field, "assignees")
    assert.include(message, "default assignee")
  }
  assert.strictEqual(created.issue.name, card.name)
  assert.deepStrictEqual(
    created.issue.labels.map(({ id }: { id: string }) => id),
    label === undefined ? [] : [label.id]
  )
  const issue_id = created.issue.id

  const again = yield* write("tasker_create_issue", card, "create")
  assert.deepStrictEqual(again, { ...created, replayed: true })
  const other = yield* call("tasker_create_issue", {
    ...{ project_id, ...card, name: `${card.name}, otherwise`, idempotency_key: `story:create:${run}` }
  })
  assert.strictEqual(other.code, "idempotency.key_reused")

  const text = `It is **under way**: ${run}`
  const said = yield* write("tasker_add_comment", { issue_id, comment: text }, "comment")
  const saidAgain = yield* write("tasker_add_comment", { issue_id, comment: text }, "comment")
  assert.deepStrictEqual(saidAgain, { ...said, replayed: true })

  const moved = yield* write("tasker_move_issue", { issue_id, state: target.name }, "move")
  assert.strictEqual(moved.issue.state.id, target.id)
  const updated = yield* write(
    "tasker_update_issue",
    { issue_id, priority: "high", expected_updated_at: moved.issue.updated_at },
    "update"
  )
  assert.strictEqual(updated.issue.priority, "high")
  const read = yield* done("tasker_get_issue", { project_id, issue_id })
  assert.strictEqual(read.issue.version, updated.issue.version)
  const renamed = yield* write(
    "tasker_update_issue",
    { issue_id, name: `${card.name}, renamed`, expected_version: read.issue.version },
    "rename"
  )
  const outdated = yield* call("tasker_update_issue", {
    ...{ project_id, issue_id, priority: "none" },
    ...{ expected_version: updated.issue.version, idempotency_key: `story:outdated:${run}` }
  })
  assert.strictEqual(outdated.code, "tasker.conflict")
  assert.notStrictEqual(renamed.issue.version, updated.issue.version)
  const stale = yield* call("tasker_update_issue", {
    ...{ project_id, issue_id, priority: "none" },
    ...{ expected_updated_at: created.issue.updated_at, idempotency_key: `story:stale:${run}` }
  })
  assert.strictEqual(stale.code, "tasker.conflict")
  const bare = yield* write("tasker_set_labels", { issue_id, labels: [] }, "labels")
  assert.deepStrictEqual(bare.issue.labels, [])
  const free = yield* write("tasker_set_assignees", { issue_id, assignees: [] }, "assignees")
  assert.deepStrictEqual(free.issue.assignees, [])

  const listed = yield* done("tasker_list_issues", { project_id, search: run.slice(0, 8) })
  assert.deepStrictEqual(
    listed.issues.map(({ id }: { id: string }) => id),
    [issue_id]
  )
  const { issue } = yield* done("tasker_get_issue", { project_id, identifier: created.issue.identifier })
  assert.include(issue.description, "## Why")
  assert.match(issue.description, /\[x\] two/)
  assert.strictEqual(issue.state.id, target.id)
  const heard = yield* call("tasker_list_comments", { project_id, issue_id })
  // An older Tasker has no such listing.
  if (heard.code !== "tasker.unsupported") {
    assert.deepStrictEqual(
      heard.content.comments.map(({ comment }: { comment: string }) => comment.trim()),
      [text]
    )
  }

  const denied = yield* call("tasker_create_issue", {
    ...{ ...card, labels: [], project_id: elsewhere, idempotency_key: `story:elsewhere:${run}` }
  })
  assert.strictEqual(denied.code, "grant.no_grant")
  const keyless = yield* call("tasker_create_issue", { project_id, ...card })
  assert.strictEqual(keyless.code, "idempotency.key_missing")
  const token = yield* call("tasker_get_issue", { project_id, issue_id: elsewhere })
  assert.strictEqual(token.code, "grant.wrong_project")
  return { issueId: issue_id as string, run }
})

/** What the trail says of the story, oldest first. */
export const trail = [
  "tasker_create_issue dry_run",
  "tasker_create_issue executed",
  "tasker_create_issue replayed",
  "tasker_create_issue denied idempotency.key_reused",
  "tasker_add_comment executed",
  "tasker_add_comment replayed",
  "tasker_move_issue executed",
  "tasker_update_issue executed",
  "tasker_update_issue executed",
  "tasker_update_issue failed tasker.conflict",
  "tasker_update_issue failed tasker.conflict",
  "tasker_set_labels executed",
  "tasker_set_assignees executed",
  "tasker_create_issue denied grant.no_grant",
  "tasker_create_issue denied idempotency.key_missing"
]
