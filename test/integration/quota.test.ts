import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, outcome, refusal, trail } from "../support/evidence.ts"
import { type Actor, act, call, grantTerms, World, layer as world } from "../support/world.ts"

const create = (agent: Actor, key: string) =>
  call(agent, "tasker_create_issue", { name: "Counted", idempotency_key: key })

const counted = (agent: Actor) =>
  Effect.gen(function* () {
    const session = yield* call(agent, "tasker_get_session", { project_id: undefined })
    const { grants } = session.structured as { grants: Array<{ writes_left_today: number | null }> }
    return grants[0]?.writes_left_today
  })

const writesBy = (agent: Actor) =>
  Effect.flatMap(World, ({ tasker }) =>
    Effect.map(tasker.writes, (writes) => writes.filter(({ agent_id }) => agent_id === agent.agentId).length)
  )

layer(world, { timeout: "10 minutes", excludeTestServices: true })("max_writes_per_day", (it) => {
  it.effect("lets exactly that many of twenty writes at once through", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 7 })
      const codes = yield* Effect.all(
        Array.from({ length: 20 }, (_, n) => outcome(create(agent, `at-once-${n}`))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...codes].sort(), [...Array(7).fill("done"), ...Array(13).fill("limit.quota")])
      assert.strictEqual(yield* writesBy(agent), 7)
      assert.strictEqual(yield* counted(agent), 0)
    })
  )

  it.effect("is reached without using the key up, and the denial is on record", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor(undefined, { maxWrites: 1 })
      assert.strictEqual(yield* outcome(create(agent, "the-only-one")), "done")
      const failure = yield* refusal(create(agent, "one-too-many"))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, "limit.quota")
      assert.isTrue(failure.retryable)
      assert.isUndefined(yield* keyRow(agent, "one-too-many"))
      assert.deepStrictEqual(yield* trail(agent, "one-too-many"), ["denied limit.quota"])
      // A replay is no write.
      assert.strictEqual(yield* outcome(create(agent, "the-only-one")), "replayed")
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, allScopes, 2))
      assert.strictEqual(yield* outcome(create(agent, "one-too-many")), "done")
    })
  )

  it.effect("says, once reached, in how many seconds the next day begins in UTC", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 1 })
      yield* create(agent, "the-only-one")
      const untilMidnight = () => (86_400_000 - (Date.now() % 86_400_000)) / 1000
      const most = untilMidnight()
      const { details } = yield* refusal(create(agent, "one-too-many"))
      const least = untilMidnight()
      const seconds = Number(details.retry_after_seconds)
      assert.isTrue(Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400, String(seconds))
      // Unless it was midnight just now.
      if (least <= most) assert.isTrue(seconds >= least && seconds <= most + 1, `${least} ${seconds} ${most}`)
    })
  )

  it.effect("does not count what Tasker refused", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 2 })
      for (const fault of ["refuse", "rate_limit", "unauthorized", "refuse"]) {
        yield* tasker.fault({ op: "create", fault, retry_after: 0 })
        yield* refusal(create(agent, `refused-${fault}`))
        assert.strictEqual(yield* counted(agent), 2)
      }
      assert.strictEqual(yield* outcome(create(agent, "first-done")), "done")
      assert.strictEqual(yield* outcome(create(agent, "second-done")), "done")
      assert.strictEqual(yield* outcome(create(agent, "third-not")), "limit.quota")
    })
  )

  it.effect("counts a write in doubt once, however it is settled", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 2 })
      yield* tasker.fault({ op: "create", fault: "cut_after" })
      assert.strictEqual(yield* outcome(create(agent, "in-doubt")), "tasker.outcome_unknown")
      assert.strictEqual(yield* counted(agent), 1)
      assert.strictEqual(yield* outcome(create(agent, "in-doubt")), "done")
      assert.strictEqual(yield* counted(agent), 1)

      yield* tasker.fault({ op: "create", fault: "cut_before" })
      assert.strictEqual(yield* outcome(create(agent, "given-up")), "tasker.outcome_unknown")
      assert.strictEqual(yield* counted(agent), 0)
      yield* tasker.fault({ op: "create", fault: "refuse" })
      assert.strictEqual(yield* outcome(create(agent, "given-up")), "tasker.rejected")
      assert.strictEqual(yield* counted(agent), 1)
    })
  )

  it.effect("is each grant's own", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor(undefined, { maxWrites: 1 })
      const second = yield* tasker.project()
      yield* registry.grant(act, agent.agentId, grantTerms(second, allScopes, 1))
      const there = { ...agent, project: second }
      assert.strictEqual(yield* outcome(create(agent, "in-the-first")), "done")
      assert.strictEqual(yield* outcome(create(there, "in-the-second")), "done")
      assert.strictEqual(yield* outcome(create(agent, "again-in-first")), "limit.quota")
      assert.strictEqual(yield* outcome(create(there, "again-in-second")), "limit.quota")
    })
  )

  it.effect("of a grant that had none when it wrote is not lowered by what was never counted", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor(undefined, { maxWrites: 3 })
      assert.strictEqual(yield* outcome(create(agent, "counted-one")), "done")
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, allScopes))
      yield* tasker.fault({ op: "create", fault: "refuse" })
      assert.strictEqual(yield* outcome(create(agent, "never-counted")), "tasker.rejected")
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, allScopes, 3))
      assert.strictEqual(yield* counted(agent), 2)
    })
  )
})
