import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import {
  eventually,
  keyRow,
  outcome,
  someoneWaits,
  taskerAtRest,
  trail,
  writesUnder
} from "../support/evidence.ts"
import { call, hasty, shortTimeout, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a caller who leaves", (it) => {
  for (const { tool, op, args } of writeRows) {
    it.effect(`while Tasker carries ${tool} out does not stop it, and it is on record`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const key = `left-${op}`
        const asked = { ...args(yield* card(agent)), idempotency_key: key }
        yield* tasker.fault({ op, fault: "delay_after", delay_ms: 300 })
        const fiber = yield* Effect.forkChild(call(agent, tool, asked))
        yield* eventually(
          "Tasker has done it",
          Effect.map(writesUnder(agent, key), (writes) => writes.length === 1)
        )
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* keyRow(agent, key))?.state, "executed")
        assert.deepStrictEqual(yield* trail(agent, key), ["executed"])
        assert.strictEqual(yield* outcome(call(agent, tool, asked)), "replayed")
      })
    )
  }

  it.effect("at any instant leaves no key behind that nobody works on", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      for (let instant = 0; instant < 40; instant++) {
        const key = `left-after-${instant}`
        const asked = { name: "Left alone", idempotency_key: key }
        const fiber = yield* Effect.forkChild(call(agent, "tasker_create_issue", asked))
        // Later by a turn of the event loop each time, from before the first statement on.
        yield* Effect.promise(async () => {
          for (let turn = 0; turn < instant; turn++) await new Promise(setImmediate)
        })
        yield* Fiber.interrupt(fiber)
        const row = yield* keyRow(agent, key)
        assert.include([undefined, "executed"], row?.state)
        assert.strictEqual((yield* writesUnder(agent, key)).length, row === undefined ? 0 : 1)
      }
    })
  )

  it.effect("while the reservation waits for the database does not leave it to nobody", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      const key = "left-while-reserving"
      const fiber = yield* database.withTransaction(
        Effect.gen(function* () {
          yield* database`lock table idempotency_keys in share mode`
          const fiber = yield* Effect.forkDetach(
            call(agent, "tasker_create_issue", { name: "Waits", idempotency_key: key })
          )
          yield* eventually("the reservation waits", someoneWaits)
          yield* Effect.forkDetach(Fiber.interrupt(fiber))
          return fiber
        })
      )
      yield* Fiber.await(fiber)
      const row = yield* keyRow(agent, key)
      assert.include([undefined, "executed"], row?.state)
      assert.strictEqual((yield* writesUnder(agent, key)).length, row === undefined ? 0 : 1)
    })
  )
})

layer(hasty, { timeout: "10 minutes", excludeTestServices: true })(
  "a Tasker that is slower than it may be",
  (it) => {
    for (const { tool, op, args } of writeRows) {
      it.effect(
        `holds ${tool} up for no longer than one call may take, although it can't be interrupted`,
        () =>
          Effect.gen(function* () {
            const { actor, tasker } = yield* World
            const agent = yield* actor()
            const asked = { ...args(yield* card(agent)), idempotency_key: `slow-${op}` }
            yield* tasker.fault({ op, fault: "delay_after", until_removed: true })
            const began = yield* Clock.currentTimeMillis
            assert.strictEqual(yield* outcome(call(agent, tool, asked)), "tasker.outcome_unknown")
            const took = (yield* Clock.currentTimeMillis) - began
            assert.isAtLeast(took, shortTimeout)
            // Tasker has not answered yet: the call ended by itself.
            assert.isFalse(yield* tasker.atRest)
            yield* tasker.heal
            assert.strictEqual((yield* keyRow(agent, asked.idempotency_key))?.state, "unknown")
            assert.strictEqual(yield* outcome(call(agent, tool, asked)), "done")
            yield* taskerAtRest
            assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
          })
      )
    }

    it.effect("ends a settling that looks and sends and looks again within the whole call's time", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const asked = { issue_id: issueId, state: "Done", idempotency_key: "slow-to-settle" }
        yield* tasker.fault({ op: "move", fault: "cut_before" })
        assert.strictEqual(yield* outcome(call(agent, "tasker_move_issue", asked)), "tasker.outcome_unknown")
        yield* tasker.fault({ op: "any", fault: "delay", delay_ms: 0.8 * shortTimeout, times: "forever" })
        yield* tasker.fault({ op: "move", fault: "cut_before", times: "forever" })
        const before = (yield* tasker.requests).length
        yield* outcome(call(agent, "tasker_move_issue", asked))
        // A look, a resend and a look take longer than the call has.
        assert.isAtMost((yield* tasker.requests).length - before, 3)
        yield* tasker.heal
        assert.include(["done", "replayed"], yield* outcome(call(agent, "tasker_move_issue", asked)))
        assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
      })
    )
  }
)
