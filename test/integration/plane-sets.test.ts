import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, outcome } from "../support/evidence.ts"
import { keyState } from "../support/plane-evidence.ts"
import { PlaneWorld, planeWorld } from "../support/plane-world.ts"
import { call, shortTimeout } from "../support/world.ts"

/** Long enough for a timeout and a look after it, while Plane replaces a set. */
const setGap = 3 * shortTimeout

const world = planeWorld({
  variables: {
    TASKER_TIMEOUT_MS: String(shortTimeout),
    CALL_DEADLINE_MS: String(2 * shortTimeout),
    TASKER_SETTLE_AFTER_MS: String(2 * setGap)
  }
})

const changes = [
  { tool: "tasker_set_labels", before: { labels: ["bug"] }, after: { labels: ["backend"] } },
  { tool: "tasker_set_assignees", before: { assignees: ["ivan"] }, after: { assignees: ["fedor"] } }
] as const

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a set that Plane replaces", (it) => {
  for (const { after, before, tool } of changes) {
    it.effect(`${tool} is not taken for another hand's change while its own set shows as empty`, () =>
      Effect.gen(function* () {
        const { actor, plane } = yield* PlaneWorld
        const agent = yield* actor()
        const made = yield* call(agent, "tasker_create_issue", {
          name: "A card",
          ...before,
          idempotency_key: `${tool}-card`
        })
        const issue_id = (made.structured as { issue: { id: string } }).issue.id
        yield* plane.configure({ set_gap_ms: setGap })
        const key = `${tool}-replaced`
        const change = call(agent, tool, { issue_id, ...after, idempotency_key: key })
        assert.strictEqual(yield* outcome(change), "tasker.outcome_unknown")
        const shown = yield* plane.card(issue_id)
        assert.include(JSON.stringify([shown.labels, shown.assignees]), "[]", "the set shows as empty")
        assert.strictEqual(yield* outcome(change), "tasker.outcome_unknown")
        assert.strictEqual(yield* keyState(agent, key), "unknown")
        yield* eventually(
          "the change is found",
          Effect.map(outcome(change), (came) => came === "done" || came === "replayed")
        )
        yield* plane.configure({ set_gap_ms: 0 })
        assert.strictEqual(yield* keyState(agent, key), "executed")
        const updates = (yield* plane.writes).filter(
          ({ issue_id: id, op }) => id === issue_id && op === "update"
        )
        assert.lengthOf(updates, 1)
      })
    )
  }
})
