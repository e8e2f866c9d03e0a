import { assert, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { describe as fieldsOf } from "../../src/domain/Failure.ts"
import { keyRow, outcome, refusal, trail } from "../support/evidence.ts"
import { leaping } from "../support/leap.ts"
import { type Actor, call, World, withVariables } from "../support/world.ts"

const limited = withVariables({ RATE_LIMIT_READS_PER_MINUTE: "5", RATE_LIMIT_WRITES_PER_MINUTE: "3" })

const read = (agent: Actor) => outcome(call(agent, "tasker_get_project_context", {}))
const create = (agent: Actor, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name: `Card ${key}`, idempotency_key: key, ...more })

/** One whose minute has begun just now, by what the database counts. */
const fresh = Effect.gen(function* () {
  const { actor, database } = yield* World
  const [left] = yield* database<{ left: number }>`
    select extract(epoch from date_trunc('minute', now()) + interval '1 minute' - now())::float8 as left`
  // A test that would run over the end of a minute is given the whole of the next one.
  if ((left?.left ?? 0) < 8)
    yield* database`select pg_sleep_until(date_trunc('minute', now()) + interval '1 minute')`
  return yield* actor()
})

layer(limited, { timeout: "10 minutes", excludeTestServices: true })("an agent's rate", (it) => {
  it.effect("lets exactly so many reads through in a minute, also at once, and says when to come again", () =>
    Effect.gen(function* () {
      const agent = yield* fresh
      const codes = yield* Effect.all(
        Array.from({ length: 9 }, () => read(agent)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...codes].sort(), [...Array(5).fill("done"), ...Array(4).fill("limit.rate")])
      const failure = yield* refusal(call(agent, "tasker_get_project_context", {}))
      assert.isTrue(failure.retryable)
      const { limit, retry_after_seconds: wait } = fieldsOf(failure) as {
        limit: object
        retry_after_seconds: number
      }
      assert.deepStrictEqual(limit, { policy: "reads", quota: 5, window_seconds: 60, remaining: 0 })
      assert.isAtLeast(wait, 1)
      assert.isAtMost(wait, 60)
    })
  )

  it.effect(
    "counts writes apart, planned at once or not, and denies the rest on record, no key used up",
    () =>
      Effect.gen(function* () {
        const agent = yield* fresh
        assert.strictEqual(yield* outcome(create(agent, "plain-one")), "done")
        assert.strictEqual(yield* outcome(create(agent, "planned-one", { labels: ["bug"] })), "done")
        assert.strictEqual(yield* outcome(create(agent, "plain-two")), "done")
        for (const [key, more] of [
          ["plain-three", {}],
          ["planned-three", { labels: ["bug"] }]
        ] as const) {
          assert.strictEqual(yield* outcome(create(agent, key, more)), "limit.rate")
          assert.isUndefined(yield* keyRow(agent, key))
          assert.deepStrictEqual(yield* trail(agent, key), ["denied limit.rate"])
        }
        assert.strictEqual(yield* read(agent), "done")
      })
  )

  it.effect("counts a replay as a read, and not as a write", () =>
    Effect.gen(function* () {
      const agent = yield* fresh
      for (const key of ["number-one", "number-two", "number-three"]) yield* create(agent, key)
      for (let n = 0; n < 5; n++) {
        assert.strictEqual(yield* outcome(create(agent, "number-one")), "replayed")
      }
      assert.strictEqual(yield* outcome(create(agent, "number-one")), "limit.rate")
      assert.strictEqual(yield* read(agent), "limit.rate")
    })
  )

  it.effect("counts a dry run as the read that it is", () =>
    Effect.gen(function* () {
      const agent = yield* fresh
      const codes: Array<string> = []
      for (let n = 0; n < 6; n++) {
        codes.push(yield* outcome(create(agent, `dry-run-${n}`, { dry_run: true })))
      }
      assert.deepStrictEqual(codes, [...Array(5).fill("done"), "limit.rate"])
      assert.strictEqual(yield* outcome(create(agent, "a-real-one")), "done")
    })
  )

  it.effect("is one agent's own, and new each minute", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* fresh
      for (let n = 0; n < 6; n++) yield* read(agent)
      assert.strictEqual(yield* read(agent), "limit.rate")
      assert.strictEqual(yield* read(yield* actor()), "done")
      yield* database`
        update call_rates set minute = minute - interval '1 minute' where agent_id = ${agent.agentId}`
      const { clock, leap } = yield* leaping
      yield* leap(60_000)
      assert.strictEqual(yield* Effect.provideService(read(agent), Clock.Clock, clock), "done")
    })
  )
})
