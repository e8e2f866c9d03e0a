import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { describe as fieldsOf } from "../../src/domain/Failure.ts"
import { keyRow, meanwhile, outcome, refusal, trail } from "../support/evidence.ts"
import { type Actor, call, strict, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

interface Conflict {
  readonly kind: string
  readonly reason: string
  readonly retryable: boolean
  readonly issue_id: string
  readonly updated_at: string
  readonly issue?: { readonly name: string; readonly priority: string }
  readonly differs?: ReadonlyArray<string>
}

/** A card that somebody changed after the caller read it, and the change that the caller then asks for. */
const stale = Effect.gen(function* () {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  const issue_id = yield* card(agent)
  const { issue } = (yield* tasker.send("GET", `/issues/${issue_id}`)) as { issue: { updated_at: string } }
  yield* tasker.send("PATCH", `/issues/${issue_id}`, { name: "A person's name", priority: "high" })
  return { agent, issue_id, expected_updated_at: issue.updated_at }
})

const update = (agent: Actor, args: object) =>
  call(agent, "tasker_update_issue", {
    name: "An agent's name",
    priority: "high",
    idempotency_key: "a-stale-one",
    ...args
  })

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a conflict", (it) => {
  it.effect("shows the card as it stands, and in which fields it is not as the call asks", () =>
    Effect.gen(function* () {
      const { agent, expected_updated_at, issue_id } = yield* stale
      const failure = fieldsOf(
        yield* refusal(update(agent, { issue_id, expected_updated_at }))
      ) as unknown as Conflict
      assert.deepInclude(failure, { kind: "tasker", reason: "conflict", retryable: false, issue_id })
      assert.deepInclude(failure.issue, { name: "A person's name", priority: "high" })
      assert.deepStrictEqual(failure.differs, ["name"])
      assert.notStrictEqual(failure.updated_at, expected_updated_at)
      assert.isUndefined(yield* keyRow(agent, "a-stale-one"))
      assert.deepStrictEqual(yield* trail(agent, "a-stale-one"), ["failed tasker.conflict"])
    })
  )

  it.effect("is none if another call with the same key has made the change since", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      const { issue } = (yield* tasker.send("GET", `/issues/${issue_id}`)) as {
        issue: { updated_at: string }
      }
      const same = outcome(update(agent, { issue_id, expected_updated_at: issue.updated_at }))
      const [late, first] = yield* meanwhile("list", same, same)
      assert.deepStrictEqual([first, late], ["done", "replayed"])
      assert.deepStrictEqual(yield* trail(agent, "a-stale-one"), ["executed", "replayed"])
    })
  )
})

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "a conflict that Tasker finds, because a person changed the card first,",
  (it) => {
    it.effect("shows the card as it stands, and may be repeated", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const [told] = yield* meanwhile(
          "update",
          refusal(update(agent, { issue_id })),
          tasker.send("PATCH", `/issues/${issue_id}`, { name: "A person's name" })
        )
        const failure = fieldsOf(told) as unknown as Conflict
        assert.deepInclude(failure, { kind: "tasker", reason: "conflict", retryable: true, issue_id })
        assert.strictEqual(failure.issue?.name, "A person's name")
        assert.deepStrictEqual(failure.differs, ["name", "priority"])
      })
    )
  }
)
