import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe as fieldsOf } from "../../src/domain/Failure.ts"
import * as Reaper from "../../src/layers/Reaper.ts"
import { eventually, keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"

const create = (agent: Actor, key: string) =>
  call(agent, "tasker_create_issue", { name: "Kept", idempotency_key: key })

const aged = (agent: Actor, hours: number) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(database`
      update idempotency_keys
      set settled_at = settled_at - ${hours}::integer * interval '1 hour',
          expired_at = expired_at - ${hours}::integer * interval '1 hour'
      where agent_id = ${agent.agentId}`)
  )

const rowsOf = (agent: Actor) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(
      database<{ state: string; answer: unknown }>`
        select state, answer from idempotency_keys where agent_id = ${agent.agentId}`
    )
  )

/** Reaps until something holds. */
const reaping = (what: string, holds: Effect.Effect<boolean, never, World>) =>
  Effect.scoped(Effect.andThen(Layer.build(Reaper.layer), eventually(what, holds)))

layer(world, { timeout: "10 minutes", excludeTestServices: true })("an answer", (it) => {
  it.effect("is given for 72 hours; then its key is expired, and is never carried out again", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* create(agent, "for-72-hours")
      yield* aged(agent, 71)
      assert.strictEqual(yield* outcome(create(agent, "for-72-hours")), "replayed")
      yield* aged(agent, 1)
      const failure = yield* refusal(create(agent, "for-72-hours"))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, "idempotency.key_expired")
      assert.property(fieldsOf(failure), "issue_id")
      assert.lengthOf(yield* writesUnder(agent, "for-72-hours"), 1)
      assert.deepStrictEqual(yield* trail(agent, "for-72-hours"), [
        "executed",
        "replayed",
        "denied idempotency.key_expired"
      ])
      const other = call(agent, "tasker_create_issue", { name: "Other", idempotency_key: "for-72-hours" })
      assert.strictEqual(yield* outcome(other), "idempotency.key_reused")
    })
  )

  it.effect("is let go of by then, and the row of its key thirty days later", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* create(agent, "let-go-of")
      yield* aged(agent, 72)
      yield* reaping(
        "the answer is gone",
        Effect.map(rowsOf(agent), ([row]) => row?.answer === null && row.state === "executed")
      )
      assert.strictEqual(yield* outcome(create(agent, "let-go-of")), "idempotency.key_expired")
      yield* aged(agent, 30 * 24)
      yield* reaping(
        "the row is gone",
        Effect.map(rowsOf(agent), (rows) => rows.length === 0)
      )
      assert.strictEqual(yield* outcome(create(agent, "let-go-of")), "idempotency.key_expired")
    })
  )

  it.effect("stays where its time is not over, as does what nobody knows", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const old = yield* actor()
      yield* create(agent, "still-young")
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      yield* outcome(create(agent, "in-doubt-for-long"))
      yield* create(old, "an-old-one")
      yield* aged(old, 73)
      yield* aged(agent, 71)
      yield* reaping(
        "what is old is gone",
        Effect.map(rowsOf(old), ([row]) => row?.answer === null)
      )
      assert.strictEqual(yield* outcome(create(agent, "still-young")), "replayed")
      assert.strictEqual((yield* keyRow(agent, "in-doubt-for-long"))?.state, "unknown")
    })
  )
})
