import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { outcome, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, call, strict, World } from "../support/world.ts"

const create = (agent: Actor, idempotency_key: string, more: object = {}) =>
  outcome(call(agent, "tasker_create_issue", { name: "Mine", idempotency_key, ...more }))

const isReused = (agent: Actor, key: string) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.map(
      database<{ reused: boolean }>`
        select reused from idempotency_keys where agent_id = ${agent.agentId} and key = ${key}`,
      ([row]) => row?.reused
    )
  )

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })("a key", (it) => {
  it.effect("is not used before if its earlier calls never came to Tasker", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const key = "only-mistaken-before"
      assert.strictEqual(yield* create(agent, key, { labels: ["nosuch"] }), "input.unknown_reference")
      assert.strictEqual(yield* create(agent, key, { priority: "highest" }), "input.invalid")
      assert.strictEqual(yield* create(agent, key), "done")
      assert.deepStrictEqual(yield* trail(agent, key), [
        "failed input.unknown_reference",
        "failed input.invalid",
        "executed"
      ])
      assert.isFalse(yield* isReused(agent, key))
    })
  )

  it.effect("is used before if Tasker refused its earlier call", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "refuse" })
      assert.strictEqual(yield* create(agent, "refused-before"), "tasker.rejected")
      assert.strictEqual(yield* create(agent, "refused-before"), "done")
      assert.isTrue(yield* isReused(agent, "refused-before"))
    })
  )

  it.effect(
    "that only mistaken calls used is settled by its external_id, whatever a person renamed since",
    () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const key = "mistaken-then-lost"
        yield* create(agent, key, { labels: ["nosuch"] })
        yield* tasker.fault({ op: "create", fault: "cut_after" })
        assert.strictEqual(yield* create(agent, key), "tasker.outcome_unknown")
        const [made] = yield* writesUnder(agent, key)
        yield* tasker.send("PATCH", `/issues/${made?.issue_id}`, { name: "Renamed by a person" })
        assert.strictEqual(yield* create(agent, key), "done")
      })
  )
})
