import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { eventually, keyRow, meanwhile, outcome, writesUnder } from "../support/evidence.ts"
import { leaping } from "../support/leap.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

/** Longer than any lease. */
const longStill = 600_000

const rows = [
  { op: "create", tool: "tasker_create_issue", args: () => ({ name: "Sent while held" }) },
  {
    op: "comment",
    tool: "tasker_add_comment",
    args: (issue_id: string) => ({ issue_id, comment: "Sent while held" })
  },
  { op: "move", tool: "tasker_move_issue", args: (issue_id: string) => ({ issue_id, state: "Done" }) }
]

const sent = (op: string) =>
  Effect.flatMap(World, ({ tasker }) =>
    Effect.map(tasker.requests, (requests) => requests.filter((request) => request.op === op).length)
  )

layer(world, { timeout: "10 minutes", excludeTestServices: true })(
  "a process that stands still until its lease has ended",
  (it) => {
    for (const { args, op, tool } of rows) {
      const looks = op === "comment" ? "list_comments" : "list"

      it.effect(`sends no ${op} again after the look of a call`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const key = `stood-still-${op}`
          const again = outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
          yield* tasker.fault({ op, fault: "cut_before" })
          assert.strictEqual(yield* again, "tasker.outcome_unknown")
          const before = yield* sent(op)
          const { clock, leap } = yield* leaping
          const [code] = yield* meanwhile(
            looks,
            Effect.provideService(again, Clock.Clock, clock),
            leap(longStill)
          )
          assert.strictEqual(code, "tasker.outcome_unknown")
          assert.strictEqual(yield* sent(op), before)
          assert.strictEqual(yield* again, "done")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
      )

      it.effect(`sends no ${op} again after the look of recovery`, () =>
        Effect.gen(function* () {
          const { actor, database, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const key = `stood-recovering-${op}`
          const again = outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
          yield* tasker.fault({ op, fault: "cut_before" })
          assert.strictEqual(yield* again, "tasker.outcome_unknown")
          const before = yield* sent(op)
          yield* database`
            update idempotency_keys set look_at = now(), next_look = now()
            where agent_id = ${agent.agentId} and key = ${key}`
          const { clock, leap } = yield* leaping
          const isTaken = Effect.map(keyRow(agent, key), (row) => row?.state === "in_progress")
          const recovery = Effect.provideService(
            Effect.andThen(
              Layer.build(Recovery.layer),
              Effect.andThen(
                eventually("recovery takes it", isTaken),
                eventually(
                  "recovery is done with it",
                  Effect.map(isTaken, (is) => !is)
                )
              )
            ),
            Clock.Clock,
            clock
          )
          yield* Effect.scoped(meanwhile(looks, recovery, leap(longStill)))
          assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
          assert.strictEqual(yield* sent(op), before)
        })
      )
    }
  }
)
