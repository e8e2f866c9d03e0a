import { assert, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { meanwhile, outcome, trail, writesUnder } from "../support/evidence.ts"
import { type Leap, leaping } from "../support/leap.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

const hour = 3_600_000
/** Longer than any lease. */
const longStill = 600_000

const steps: ReadonlyArray<readonly [string, string, (clocks: Leap) => Effect.Effect<void>]> = [
  ["set-back", "time passes while the wall clock is set back", ({ pass }) => pass(longStill)],
  [
    "suspended",
    "the machine is suspended, which the monotonic clock does not count,",
    ({ set }) => set(longStill)
  ]
]

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a write in whose course", (it) => {
  for (const [what, by] of [
    ["forward", hour],
    ["back", -hour]
  ] as const) {
    it.effect(
      `the wall clock is set ${what} an hour while it is planned has its whole time and is made`,
      () =>
        Effect.gen(function* () {
          const { actor } = yield* World
          const agent = yield* actor()
          const issue_id = yield* card(agent)
          const key = `clock-set-${what}`
          const moved = outcome(
            call(agent, "tasker_move_issue", { issue_id, state: "Done", idempotency_key: key })
          )
          const { clock, set } = yield* leaping
          const [code] = yield* meanwhile("list", Effect.provideService(moved, Clock.Clock, clock), set(by))
          assert.strictEqual(code, "done")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
    )
  }

  for (const [name, what, step] of steps) {
    it.effect(`${what} until its lease has ended sends nothing more`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const key = `stepped-${name}`
        const again = outcome(call(agent, "tasker_create_issue", { name: "Held", idempotency_key: key }))
        yield* tasker.fault({ op: "create", fault: "cut_before" })
        assert.strictEqual(yield* again, "tasker.outcome_unknown")
        const clocks = yield* leaping
        const [code] = yield* meanwhile(
          "list",
          Effect.provideService(again, Clock.Clock, clocks.clock),
          step(clocks)
        )
        assert.strictEqual(code, "tasker.outcome_unknown")
        assert.lengthOf(yield* writesUnder(agent, key), 0)
        assert.strictEqual(yield* again, "done")
        assert.deepStrictEqual(yield* trail(agent, key), [
          ...Array(2).fill("unknown tasker.outcome_unknown"),
          "executed"
        ])
      })
    )
  }
})
