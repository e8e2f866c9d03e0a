import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { upstreamKey } from "../../src/domain/Operation.ts"
import { eventually, outcome } from "../support/evidence.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

/** More than recovery takes at once. */
const backlog = Array.from({ length: 12 }, (_, n) => `in-the-backlog-${n}`)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("the second look for a double", (it) => {
  it.effect("is taken while a backlog of writes is being settled", () =>
    Effect.gen(function* () {
      const { actor, database, tasker } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent, "resent-create")
      for (const idempotency_key of backlog) {
        yield* tasker.fault({ op: "create", fault: "cut_after" })
        const lost = call(agent, "tasker_create_issue", { name: "Lost", idempotency_key })
        assert.strictEqual(yield* outcome(lost), "tasker.outcome_unknown")
        yield* call(agent, "tasker_get_issue", { issue_id })
      }
      yield* database`
        update idempotency_keys set look_at = now() where agent_id = ${agent.agentId} and state = 'unknown'`
      yield* database`
        update idempotency_keys set check_at = now()
        where agent_id = ${agent.agentId} and key = 'resent-create'`
      const before = (yield* tasker.requests).length
      yield* Effect.scoped(
        Effect.andThen(
          Layer.build(Recovery.layer),
          eventually(
            "all is settled and looked at",
            Effect.map(
              database`
                select from idempotency_keys
                where agent_id = ${agent.agentId} and (state <> 'executed' or check_at is not null)`,
              (rows) => rows.length === 0
            )
          )
        )
      )
      const looks = (yield* tasker.requests).slice(before).map(({ path }) => path)
      const firstLook = (key: string) =>
        looks.findIndex((path) => path.includes(upstreamKey(agent.agentId, key)))
      const soonerSettled = backlog.filter((key) => firstLook(key) < firstLook("resent-create"))
      assert.isAbove(firstLook("resent-create"), -1)
      assert.isAtMost(soonerSettled.length, 4)
    })
  )
})
