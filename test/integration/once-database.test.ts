import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import {
  eventually,
  expireLease,
  keyRow,
  outcome,
  someoneWaits,
  trail,
  writesUnder
} from "../support/evidence.ts"
import { call, proxied, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** The two statements of a write, by what only they do. */
const steps = {
  reserve: /insert into idempotency_keys/,
  complete: /set state = 'executed'/
}

const unavailable = "gateway.unavailable"

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })("a database that breaks off", (it) => {
  for (const { tool, op, args } of writeRows) {
    for (const [step, statement] of Object.entries(steps)) {
      for (const when of ["before", "after"] as const) {
        it.effect(`once, ${when} it carried out the ${step} of ${tool}, goes unnoticed`, () =>
          Effect.gen(function* () {
            const { actor, proxy } = yield* World
            const agent = yield* actor()
            const key = `once-${step}-${when}-${op}`
            const asked = { ...args(yield* card(agent)), idempotency_key: key }
            yield* proxy.breakOn({ statement, when, times: 1 })
            assert.strictEqual(yield* outcome(call(agent, tool, asked)), "done")
            assert.strictEqual(yield* proxy.broken, 1)
            assert.strictEqual(yield* outcome(call(agent, tool, asked)), "replayed")
            assert.lengthOf(yield* writesUnder(agent, key), 1)
            assert.deepStrictEqual(yield* trail(agent, key), ["executed", "replayed"])
          })
        )
      }
    }
  }

  it.effect("before every reservation says so, sends nothing and uses no key up", () =>
    Effect.gen(function* () {
      const { actor, proxy } = yield* World
      const agent = yield* actor()
      const asked = { name: "Nowhere", idempotency_key: "never-reserved" }
      yield* proxy.breakOn({ statement: steps.reserve, when: "before", times: 2 })
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), unavailable)
      assert.isUndefined(yield* keyRow(agent, asked.idempotency_key))
      assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 0)
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "done")
      assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
    })
  )

  it.effect("after a reservation and again on its repeat leaves a lease that runs out", () =>
    Effect.gen(function* () {
      const { actor, proxy } = yield* World
      const agent = yield* actor()
      const asked = { name: "Reserved for nobody", idempotency_key: "reply-lost-twice" }
      const repeat = outcome(call(agent, "tasker_create_issue", asked))
      yield* proxy.breakOn({ statement: steps.reserve, when: "after", times: 2 })
      assert.strictEqual(yield* repeat, unavailable)
      assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 0)
      yield* proxy.mend
      assert.strictEqual(yield* repeat, "idempotency.in_progress")
      yield* expireLease(agent, asked.idempotency_key)
      assert.strictEqual(yield* repeat, "done")
      assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
    })
  )

  it.effect("for as long as an outcome is waited for leaves it unknown, and the next call settles it", () =>
    Effect.gen(function* () {
      const { actor, proxy } = yield* World
      const agent = yield* actor()
      // A making and a change: an outcome is waited for some seconds, and what waits is the same for all.
      for (const { tool, op, args } of writeRows.filter((row) => row.op === "create" || row.op === "move")) {
        const key = `never-recorded-${op}`
        const asked = { ...args(yield* card(agent, `card-for-${op}`)), idempotency_key: key }
        const repeat = outcome(call(agent, tool, asked))
        yield* proxy.breakOn({ statement: steps.complete, when: "before", times: 1000 })
        assert.strictEqual(yield* repeat, "tasker.outcome_unknown")
        yield* proxy.mend
        assert.strictEqual((yield* keyRow(agent, key))?.state, "in_progress")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.strictEqual(yield* repeat, "idempotency.in_progress")
        yield* expireLease(agent, key)
        assert.strictEqual(yield* repeat, "done")
        assert.strictEqual(yield* repeat, "replayed")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.lengthOf(
          (yield* trail(agent, key)).filter((event) => event === "executed"),
          1
        )
      }
    })
  )

  it.effect("at the claim of a write in doubt keeps it in doubt", () =>
    Effect.gen(function* () {
      const { actor, proxy, tasker } = yield* World
      const agent = yield* actor()
      for (const when of ["before", "after"] as const) {
        const asked = { name: "In doubt", idempotency_key: `claim-${when}` }
        const repeat = outcome(call(agent, "tasker_create_issue", asked))
        yield* tasker.fault({ op: "create", fault: "cut_after" })
        assert.strictEqual(yield* repeat, "tasker.outcome_unknown")
        yield* proxy.breakOn({ statement: /fence = fence \+ 1/, when, times: 1 })
        const code = yield* repeat
        assert.include(["done", "idempotency.in_progress"], code)
        yield* expireLease(agent, asked.idempotency_key)
        assert.include(["done", "replayed"], yield* repeat)
        assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
      }
    })
  )
})

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })("a backend that is terminated", (it) => {
  const terminate = Effect.gen(function* () {
    const { database } = yield* World
    yield* database`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'tasker-codex-api'`
  })

  for (const { tool, op, args } of writeRows) {
    it.effect(`between its calls is at worst said to ${tool}, which then may be repeated`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `idle-${op}` }
        yield* terminate
        const code = yield* outcome(call(agent, tool, asked))
        assert.include(["done", unavailable], code)
        assert.include(["done", "replayed"], yield* outcome(call(agent, tool, asked)))
        assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
      })
    )

    it.effect(`in the middle of the reservation or the outcome of ${tool} makes nothing double`, () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        for (const table of ["idempotency_keys", "audit_events"]) {
          const key = `terminated-${op}-${table}`
          const asked = { ...args(issueId), idempotency_key: key }
          const fiber = yield* database.withTransaction(
            Effect.gen(function* () {
              yield* database`lock table ${database(table)} in share mode`
              const fiber = yield* Effect.forkDetach(outcome(call(agent, tool, asked)))
              yield* eventually(`a statement waits for ${table}`, someoneWaits)
              yield* terminate
              return fiber
            })
          )
          const code = yield* Fiber.join(fiber)
          assert.include(["done", unavailable, "tasker.outcome_unknown"], code)
          yield* expireLease(agent, key)
          assert.include(["done", "replayed"], yield* outcome(call(agent, tool, asked)))
          assert.lengthOf(yield* writesUnder(agent, key), 1)
          assert.lengthOf(
            (yield* trail(agent, key)).filter((event) => event === "executed"),
            1
          )
        }
      })
    )
  }
})
