import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call, layer as world, World } from "../support/world.ts"

layer(world, { timeout: "60 seconds", excludeTestServices: true })("a write", (it) => {
  it.effect("is made once, however often it is repeated", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const args = { name: "Once only", description: "**bold**", state: "Todo", labels: ["Bug"], assignees: ["ivan@example.test"], idempotency_key: "once-only-1" }
      const first = yield* call(agent, "tasker_create_issue", args)
      const second = yield* call(agent, "tasker_create_issue", args)
      console.log(JSON.stringify(first, null, 1))
      assert.isFalse(first.replayed)
      assert.isTrue(second.replayed)
      assert.deepStrictEqual({ ...second.structured, replayed: false }, first.structured)
      assert.strictEqual((yield* tasker.writes).length, 1)
    })
  )
  it.effect("whose reply is cut is settled by the next call with its key", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const before = (yield* tasker.writes).length
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      const args = { name: "Cut off", idempotency_key: "cut-off-1" }
      const failure = yield* Effect.flip(call(agent, "tasker_create_issue", args))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, "tasker.outcome_unknown")
      const settled = yield* call(agent, "tasker_create_issue", args)
      console.log(JSON.stringify(settled))
      assert.strictEqual((yield* tasker.writes).length, before + 1)
    })
  )
})
