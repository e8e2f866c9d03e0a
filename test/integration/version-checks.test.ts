import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { IssueId, ProjectId } from "../../src/domain/Ids.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { plane, strict, World } from "../support/world.ts"
import { card } from "../support/writes.ts"

const versionChecks = Effect.flatMap(TaskerAdapter, ({ capabilities }) =>
  Effect.map(capabilities, ({ version_checks }) => version_checks)
)

/** A card that was read, and a way to move it under any `updated_at`. */
const scene = Effect.gen(function* () {
  const tasker = yield* TaskerAdapter
  const actor = yield* (yield* World).actor()
  const { agent } = yield* (yield* AgentRegistry).getAgent(undefined, actor.agentId)
  const { id, workspace_slug } = actor.project.project
  const who = { agent, requestId: "version-checks", workspaceSlug: workspace_slug }
  const place = { project_id: ProjectId.make(id), issue_id: IssueId.make(yield* card(actor)) }
  const read = Effect.map(tasker.issue(who, place), (found) => found?.updated_at ?? "")
  const move = (state: string, seen_updated_at: string) =>
    tasker.moveIssue(
      { ...who, upstreamKey: randomBytes(32).toString("hex") },
      {
        _tag: "MoveIssue",
        ...place,
        seen_updated_at,
        state_id: actor.project.states.find(({ name }) => name === state)?.id ?? ""
      }
    )
  return { read, move }
})

const options = { timeout: "10 minutes", excludeTestServices: true } as const

layer(plane.layer, options)("a Tasker that ignores expected_updated_at", (it) => {
  it.effect("is found out if it executes a change under an older one than it had shown", () =>
    Effect.gen(function* () {
      const { move, read } = yield* scene
      const first = yield* read
      yield* move("Todo", first)
      assert.strictEqual(yield* versionChecks, "unknown")
      yield* move("Done", first)
      assert.strictEqual(yield* versionChecks, "no")
    })
  )
})

layer(strict.layer, options)("a Tasker that checks expected_updated_at", (it) => {
  it.effect("is found out if it refuses a change under an older one, and never by a success", () =>
    Effect.gen(function* () {
      const { move, read } = yield* scene
      const first = yield* read
      yield* move("Todo", first)
      yield* move("In Progress", yield* read)
      assert.strictEqual(yield* versionChecks, "unknown")
      const failed = yield* Effect.flip(move("Done", first))
      assert.strictEqual(failed._tag, "Refused")
      assert.strictEqual(yield* versionChecks, "yes")
    })
  )

  it.effect("is not judged by a response that repeats an earlier one", () =>
    Effect.gen(function* () {
      const tasker = yield* TaskerAdapter
      const actor = yield* (yield* World).actor()
      const { agent } = yield* (yield* AgentRegistry).getAgent(undefined, actor.agentId)
      const { id, workspace_slug } = actor.project.project
      const ticket = {
        agent,
        requestId: "version-checks",
        workspaceSlug: workspace_slug,
        upstreamKey: randomBytes(32).toString("hex")
      }
      const place = { project_id: ProjectId.make(id), issue_id: IssueId.make(yield* card(actor)) }
      const before = yield* versionChecks
      const change = { _tag: "UpdateIssue", ...place, fields: { name: "Twice" } } as const
      const seen_updated_at = (yield* tasker.issue(ticket, place))?.updated_at ?? ""
      yield* tasker.updateIssue(ticket, { ...change, seen_updated_at })
      yield* tasker.updateIssue(ticket, { ...change, seen_updated_at })
      assert.strictEqual(yield* versionChecks, before)
    })
  )
})
