import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { eventually } from "../support/data-dirs.ts"
import { keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"

const create = (actor: Actor, key: string) =>
  call(actor, "tasker_create_issue", { name: `Card of ${key}`, idempotency_key: key })

/** Makes Tasker ask to be left alone for two seconds, in its answer to a write that it refuses. */
const held = Effect.gen(function* () {
  const { actor, tasker } = yield* World
  yield* tasker.fault({ op: "create", fault: "rate_limit", retry_after: 2 })
  assert.strictEqual(yield* outcome(create(yield* actor(), "one-too-many")), "tasker.rate_limited")
})

const availableAgain = Effect.gen(function* () {
  const { available } = yield* TaskerAdapter
  yield* eventually(Effect.flatMap(available, (is) => (is ? Effect.void : Effect.fail("not yet"))))
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("while Tasker is left alone", (it) => {
  it.effect("a new write is told to be rate-limited, uses no key up, and Tasker hears nothing of it", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* held
      const before = (yield* tasker.requests).length
      const failure = yield* refusal(create(agent, "left-alone"))
      assert.deepInclude(failure, { kind: "tasker", reason: "rate_limited", retryable: true })
      assert.include([1, 2], failure.details.retry_after_seconds)
      assert.include(failure.message, "Nothing was sent, so nothing was changed.")
      assert.isUndefined(yield* keyRow(agent, "left-alone"))
      assert.lengthOf(yield* tasker.requests, before)
      yield* availableAgain
      assert.strictEqual(yield* outcome(create(agent, "left-alone")), "done")
      assert.deepStrictEqual(yield* trail(agent, "left-alone"), ["failed tasker.rate_limited", "executed"])
      assert.lengthOf(yield* writesUnder(agent, "left-alone"), 1)
    })
  )

  it.effect("a write in doubt stays in doubt, and is settled once Tasker is asked again", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      assert.strictEqual(yield* outcome(create(agent, "in-doubt")), "tasker.outcome_unknown")
      yield* held
      const before = (yield* tasker.requests).length
      assert.strictEqual(yield* outcome(create(agent, "in-doubt")), "tasker.outcome_unknown")
      assert.strictEqual((yield* keyRow(agent, "in-doubt"))?.state, "unknown")
      assert.lengthOf(yield* tasker.requests, before)
      yield* availableAgain
      assert.strictEqual(yield* outcome(create(agent, "in-doubt")), "done")
      assert.lengthOf(yield* writesUnder(agent, "in-doubt"), 1)
    })
  )
})
