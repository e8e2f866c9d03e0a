import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import { eventually, trail, writesUnder } from "../support/evidence.ts"
import { call, World, layer as world } from "../support/world.ts"

const keys = Array.from({ length: 20 }, (_, n) => `load-key-${n}`)
const callsPerKey = 10
/** Every third reply is cut, so a key is settled after few more calls; this many would be a defect. */
const mostRounds = 10

const allowed = new Set(["tasker.outcome_unknown", "idempotency.in_progress"])

layer(world, { timeout: "10 minutes", excludeTestServices: true })("200 calls at once over 20 keys", (it) => {
  it.effect("make 20 cards and 20 answers, with every third reply of Tasker's cut", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", every: 3, fault: "cut_after" })
      const answers = new Map<string, Set<string>>(keys.map((key) => [key, new Set()]))
      let calls = 0

      const create = (key: string) =>
        call(agent, "tasker_create_issue", { name: `Under ${key}`, idempotency_key: key }).pipe(
          Effect.match({
            onFailure: (failure) => assert.isTrue(allowed.has(codeOf(failure)), codeOf(failure)),
            onSuccess: ({ structured: { replayed: _, ...answer } }) =>
              answers.get(key)?.add(JSON.stringify(answer))
          }),
          Effect.tap(() => Effect.sync(() => calls++))
        )
      const unanswered = () => keys.filter((key) => answers.get(key)?.size === 0)

      const all = keys.flatMap((key) => Array.from({ length: callsPerKey }, () => key))
      yield* Effect.forEach(all, create, { concurrency: "unbounded", discard: true })
      for (let round = 0; round < mostRounds && unanswered().length > 0; round++) {
        yield* Effect.forEach(unanswered(), create, { concurrency: "unbounded", discard: true })
      }

      assert.deepStrictEqual(unanswered(), [])
      for (const key of keys) assert.strictEqual(answers.get(key)?.size, 1, `answers under ${key}`)
      const given = keys.map((key) => JSON.parse([...(answers.get(key) ?? [])][0] as string).issue)
      assert.lengthOf(new Set(given.map(({ id }) => id)), 20)
      assert.deepStrictEqual(
        given.map(({ name }) => name),
        keys.map((key) => `Under ${key}`)
      )

      const cards = (yield* tasker.writes).filter(({ agent_id }) => agent_id === agent.agentId)
      assert.lengthOf(cards, 20)
      assert.sameMembers(
        cards.map(({ issue_id }) => issue_id),
        given.map(({ id }) => id)
      )
      for (const key of keys) {
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.lengthOf(
          (yield* trail(agent, key)).filter((outcome) => outcome === "executed"),
          1
        )
      }
      // Denials beyond sixty of a kind in a minute share an event, which is written every five seconds.
      const { database } = yield* World
      const told = Effect.map(
        Effect.orDie(database<{ calls: number }>`
          select sum(count)::integer as calls from audit_events
          where agent_id = ${agent.agentId} and action = 'tasker_create_issue'`),
        ([row]) => row?.calls === calls
      )
      yield* eventually("each call is told or counted in the trail", told)
      yield* tasker.heal
    })
  )
})
