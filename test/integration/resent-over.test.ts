import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { eventually, keyRow, outcome, trail } from "../support/evidence.ts"
import { type Actor, call, strict, World } from "../support/world.ts"
import { card } from "../support/writes.ts"

const unknown = "tasker.outcome_unknown"

/** A change whose first try was lost, on a card whose `updated_at` moved since if it says so. */
const lost = Effect.fnUntraced(function* (key: string, { moved }: { readonly moved: boolean }) {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  const issueId = yield* card(agent)
  const again = outcome(
    call(agent, "tasker_move_issue", { issue_id: issueId, state: "Done", idempotency_key: key })
  )
  yield* tasker.fault({ op: "move", fault: "cut_before" })
  assert.strictEqual(yield* again, unknown)
  if (moved) yield* tasker.send("PATCH", `/issues/${issueId}`, {})
  return { agent, again, issueId }
})

const executed = (agent: Actor, key: string) =>
  Effect.map(trail(agent, key), (events) => events.filter((event) => event.startsWith("executed")))

/** Lets recovery look once. */
const recovered = Effect.fnUntraced(function* (agent: Actor, key: string, fence: number) {
  const { database } = yield* World
  yield* database`
    update idempotency_keys set look_at = now(), next_look = now()
    where agent_id = ${agent.agentId} and key = ${key} and state = 'unknown'`
  yield* Effect.scoped(
    Effect.andThen(
      Layer.build(Recovery.layer),
      eventually(
        "recovery has looked",
        Effect.map(keyRow(agent, key), (row) => row?.fence === fence && row.state !== "in_progress")
      )
    )
  )
})

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "the event of a change that was sent again after updated_at had moved",
  (it) => {
    it.effect("has the reason operation.resent also if the response to the resend was lost", () =>
      Effect.gen(function* () {
        const { tasker } = yield* World
        const key = "resend-lost-too"
        const { again, agent } = yield* lost(key, { moved: true })
        yield* tasker.fault({ op: "move", fault: "cut_after" })
        assert.strictEqual(yield* again, unknown)
        assert.strictEqual(yield* again, "done")
        assert.deepStrictEqual(yield* executed(agent, key), ["executed operation.resent"])
      })
    )

    it.effect("has that reason also if recovery sent it again and a later look settles it", () =>
      Effect.gen(function* () {
        const { tasker } = yield* World
        const key = "recovered-resend-lost"
        const { agent } = yield* lost(key, { moved: true })
        yield* tasker.fault({ op: "move", fault: "cut_after" })
        yield* recovered(agent, key, 2)
        assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
        yield* recovered(agent, key, 3)
        assert.deepStrictEqual(yield* executed(agent, key), ["executed operation.resent"])
      })
    )

    it.effect("has that reason also if the process that settled it died", () =>
      Effect.gen(function* () {
        const { database, tasker } = yield* World
        const key = "died-while-settling"
        const { again, agent } = yield* lost(key, { moved: false })
        yield* tasker.fault({ op: "move", fault: "cut_after" })
        assert.strictEqual(yield* again, unknown)
        yield* database`
          update idempotency_keys set state = 'in_progress', look_at = null,
            lease_until = now() - interval '1 second'
          where agent_id = ${agent.agentId} and key = ${key}`
        assert.strictEqual(yield* again, "done")
        assert.deepStrictEqual(yield* executed(agent, key), ["executed operation.resent"])
      })
    )

    it.effect("has no reason if updated_at had not moved, though the response to the resend was lost", () =>
      Effect.gen(function* () {
        const { tasker } = yield* World
        const key = "resend-lost-not-moved"
        const { again, agent } = yield* lost(key, { moved: false })
        yield* tasker.fault({ op: "move", fault: "cut_after" })
        assert.strictEqual(yield* again, unknown)
        assert.strictEqual(yield* again, "done")
        assert.deepStrictEqual(yield* executed(agent, key), ["executed"])
      })
    )

    it.effect("has no reason if only the first try was lost, though updated_at moved since", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const key = "first-try-done"
        const again = outcome(
          call(agent, "tasker_move_issue", { issue_id, state: "Done", idempotency_key: key })
        )
        yield* tasker.fault({ op: "move", fault: "cut_after" })
        assert.strictEqual(yield* again, unknown)
        yield* tasker.send("PATCH", `/issues/${issue_id}`, {})
        assert.strictEqual(yield* again, "done")
        assert.deepStrictEqual(yield* executed(agent, key), ["executed"])
      })
    )
  }
)
