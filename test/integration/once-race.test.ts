import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Issue } from "../../src/domain/Issue.ts"
import { call, strict, World, layer as world } from "../support/world.ts"

const codeOf = (failure: { readonly kind: string; readonly reason: string }) =>
  `${failure.kind}.${failure.reason}`

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "changes of one card at the same moment, before a Tasker that checks expected_updated_at,",
  (it) => {
    it.effect("are all made in the end by repeating those that are told so with their own keys", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const created = yield* call(agent, "tasker_create_issue", {
          name: "Contended",
          idempotency_key: "race-card"
        })
        const { id } = created.structured.issue as { readonly id: string }
        const changes = [
          ["tasker_update_issue", { priority: "high", idempotency_key: "race-priority" }],
          ["tasker_move_issue", { state: "Todo", idempotency_key: "race-state" }],
          ["tasker_set_labels", { labels: ["bug"], idempotency_key: "race-labels" }],
          ["tasker_set_assignees", { assignees: ["ivan"], idempotency_key: "race-assignees" }]
        ] as const
        let left = [...changes]
        for (let round = 0; left.length > 0 && round < changes.length; round++) {
          const outcomes = yield* Effect.forEach(
            left,
            ([tool, args]) => Effect.result(call(agent, tool, { issue_id: id, ...args })),
            { concurrency: "unbounded" }
          )
          for (const outcome of outcomes) {
            if (outcome._tag === "Success") continue
            assert.strictEqual(codeOf(outcome.failure), "tasker.conflict")
            assert.isTrue(outcome.failure.retryable)
          }
          left = left.filter((_, at) => outcomes[at]?._tag === "Failure")
        }
        assert.deepStrictEqual(left, [])
        const { structured } = yield* call(agent, "tasker_get_issue", { issue_id: id })
        const card = structured.issue as Issue
        assert.deepStrictEqual(
          [card.priority, card.state.name, card.labels.length, card.assignees.length],
          ["high", "Todo", 1, 1]
        )
      })
    )
  }
)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a dry run", (it) => {
  it.effect("refuses what a reservation would refuse", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 1 })
      const first = { name: "The only one today", idempotency_key: "dry-taken-key" }
      yield* call(agent, "tasker_create_issue", first)
      const dry = (args: object) =>
        Effect.flip(call(agent, "tasker_create_issue", { dry_run: true, ...args }))
      const other = { name: "Another", idempotency_key: first.idempotency_key }
      assert.strictEqual(codeOf(yield* dry(other)), "idempotency.key_reused")
      assert.strictEqual(
        codeOf(yield* dry({ name: "One more", idempotency_key: "dry-new-key" })),
        "limit.quota"
      )
    })
  )
})
