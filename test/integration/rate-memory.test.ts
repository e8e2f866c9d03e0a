import { assert, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer } from "effect"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { describe as fieldsOf } from "../../src/domain/Failure.ts"
import * as AuditLogPostgres from "../../src/layers/audit/AuditLogPostgres.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { eventually, keyRow, outcome, refusal, writesUnder } from "../support/evidence.ts"
import { leaping } from "../support/leap.ts"
import { type Actor, act, call, World, withVariables } from "../support/world.ts"

const limited = withVariables(
  { RATE_LIMIT_READS_PER_MINUTE: "5", RATE_LIMIT_WRITES_PER_MINUTE: "3" },
  { proxied: true }
)

const read = (agent: Actor) => outcome(call(agent, "tasker_get_project_context", {}))
const create = (agent: Actor, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name: `Card ${key}`, idempotency_key: key, ...more })

/** An agent in a minute of the database's clock that has just begun. */
const fresh = Effect.gen(function* () {
  const { actor, database } = yield* World
  const [left] = yield* database<{ left: number }>`
    select extract(epoch from date_trunc('minute', now()) + interval '1 minute' - now())::float8 as left`
  if ((left?.left ?? 0) < 25)
    yield* database`select pg_sleep_until(date_trunc('minute', now()) + interval '1 minute')`
  return yield* actor()
})

const eventsOf = (agent: Actor, outcome: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const rows = yield* database<{ count: number }>`
      select count from audit_events where agent_id = ${agent.agentId} and outcome = ${outcome} order by position`
    return rows.map(({ count }) => count)
  }).pipe(Effect.orDie)

const sum = (counts: ReadonlyArray<number>) => counts.reduce((all, count) => all + count, 0)

/** Statements of calls, without those of the gateway's own rounds. */
const statements = Effect.gen(function* () {
  const { proxy } = yield* World
  return (yield* proxy.executed).filter((text) => !/denial_tallies/.test(text))
})

layer(limited, { timeout: "10 minutes", excludeTestServices: true })("every call counts", (it) => {
  it.effect("replays count as reads, and past the read rate nothing is asked or recorded without end", () =>
    Effect.gen(function* () {
      const agent = yield* fresh
      yield* create(agent, "replayed-often")
      const codes = yield* Effect.forEach(Array(7), () => outcome(create(agent, "replayed-often")))
      assert.deepStrictEqual(codes, [...Array(5).fill("replayed"), "limit.rate", "limit.rate"])
      const failure = yield* refusal(create(agent, "replayed-often"))
      assert.include(fieldsOf(failure).limit, { policy: "reads", quota: 5 })
      assert.strictEqual(yield* read(agent), "limit.rate")
      assert.strictEqual(yield* outcome(create(agent, "a-new-one")), "done")
    })
  )

  it.effect("dry runs count as reads although their key is executed already", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const agent = yield* fresh
      yield* create(agent, "done-before", { labels: ["bug"] })
      const asked = (yield* tasker.requests).length
      const dry = outcome(create(agent, "done-before", { labels: ["bug"], dry_run: true }))
      const codes = yield* Effect.forEach(Array(20), () => dry)
      assert.deepStrictEqual(codes.slice(5), Array(15).fill("limit.rate"))
      assert.isAtMost((yield* tasker.requests).length - asked, 5)
    })
  )
})

layer(limited, { timeout: "10 minutes", excludeTestServices: true })("an agent past its rate", (it) => {
  it.effect("costs no statement after the 60th refusal of a minute, and all refusals are told", () =>
    Effect.gen(function* () {
      const agent = yield* fresh
      for (let n = 0; n < 3; n++) yield* create(agent, `within-${n}`)
      assert.strictEqual(yield* outcome(create(agent, "first-refused")), "limit.rate")
      yield* statements
      for (let n = 0; n < 59; n++) yield* outcome(create(agent, `told-${n}`))
      // Each a line in the trail, and nothing else: no token is looked up, no call counted.
      const told = yield* statements
      assert.lengthOf(told, 59)
      assert.isTrue(told.every((text) => text.includes("insert into audit_events")))
      for (let n = 0; n < 200; n++) {
        assert.strictEqual(yield* outcome(create(agent, `counted-${n}`)), "limit.rate")
      }
      const silent = (yield* statements).filter((text) => !text.includes("insert into audit_events"))
      assert.deepStrictEqual(silent, [])
      yield* eventually(
        "what was counted is written",
        Effect.map(eventsOf(agent, "denied"), (counts) => sum(counts) === 260)
      )
      const counts = yield* eventsOf(agent, "denied")
      assert.deepStrictEqual(counts.slice(0, 60), Array(60).fill(1))
      assert.isAtMost(counts.length, 65)
      assert.isUndefined(yield* keyRow(agent, "counted-1"))
      assert.strictEqual(yield* read(agent), "done")
    })
  )

  it.effect("is refused with another of its tokens too, and let in again when the minute is over", () =>
    Effect.gen(function* () {
      const { database } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* fresh
      const { token } = yield* registry.issueToken(act, agent.agentId, { name: "other", expires_at: null })
      const other = { ...agent, token }
      assert.strictEqual(yield* read(other), "done")
      for (let n = 0; n < 6; n++) yield* read(agent)
      yield* statements
      assert.strictEqual(yield* read(other), "limit.rate")
      assert.deepStrictEqual(yield* statements, [])
      yield* database`
        update call_rates set minute = minute - interval '1 minute' where agent_id = ${agent.agentId}`
      const { clock, leap } = yield* leaping
      const later = Effect.provideService(read(other), Clock.Clock, clock)
      assert.strictEqual(yield* later, "limit.rate")
      yield* leap(60_000)
      assert.strictEqual(yield* later, "done")
    })
  )

  it.effect("never holds more than two connections, and keeps no other agent waiting", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* fresh
      const good = yield* actor()
      yield* create(agent, "before-the-flood")
      yield* read(agent)
      const locked = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const lock = yield* Effect.forkChild(
        database.withTransaction(
          Effect.gen(function* () {
            yield* database`select from call_rates where agent_id = ${agent.agentId} for update`
            yield* Deferred.succeed(locked, undefined)
            yield* Deferred.await(go)
          })
        )
      )
      yield* Deferred.await(locked)
      const flood = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n),
          (n) => outcome(create(agent, `flood-${n}`)),
          {
            concurrency: "unbounded"
          }
        )
      )
      const waiting = Effect.map(
        database<{ held: number }>`
          select count(*)::integer as held from pg_stat_activity
          where datname = current_database() and application_name = 'tasker-codex-api' and state = 'active'`,
        ([row]) => row?.held ?? 0
      )
      yield* eventually(
        "the flood waits for its row",
        Effect.map(Effect.orDie(waiting), (held) => held >= 2)
      )
      assert.strictEqual(yield* read(good), "done")
      assert.strictEqual(yield* outcome(create(good, "in-the-flood")), "done")
      assert.strictEqual(yield* waiting, 2)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(lock)
      yield* Fiber.join(flood)
    })
  )

  it.effect("is not held up by a minute that a clock of before a failover has counted in", () =>
    Effect.gen(function* () {
      const { database } = yield* World
      const agent = yield* fresh
      yield* read(agent)
      yield* database`
        update call_rates set minute = minute + interval '10 minutes', calls = 5 where agent_id = ${agent.agentId}`
      assert.strictEqual(yield* read(agent), "done")
    })
  )
})

layer(withVariables({}), { timeout: "10 minutes", excludeTestServices: true })("equal events", (it) => {
  for (const told of ["replayed", "dry_run", "failed"] as const) {
    it.effect(`beyond 60 a minute that are ${told} become one with a count`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        yield* create(agent, "repeated-often")
        const once =
          told === "replayed"
            ? create(agent, "repeated-often")
            : told === "dry_run"
              ? create(agent, "repeated-often", { dry_run: true })
              : create(agent, "refused-often", { name: "" })
        yield* Effect.forEach(Array(100), () => outcome(once), { concurrency: 4 })
        yield* eventually(
          "what was counted is written",
          Effect.map(eventsOf(agent, told), (counts) => sum(counts) === 100)
        )
        const counts = yield* eventsOf(agent, told)
        assert.strictEqual(counts.filter((count) => count === 1).length >= 60, true)
        assert.isAtMost(counts.length, 65)
        assert.lengthOf(yield* writesUnder(agent, "repeated-often"), 1)
      })
    )
  }

  it.effect("that were counted are written when the gateway is shut down", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const denied: Omit<AuditEvent, "id" | "at" | "count"> = {
        action: "tasker_create_issue",
        outcome: "denied",
        reason: "limit.rate",
        agent_id: agent.agentId,
        owner_user_id: null,
        token_id: null,
        project_id: null,
        issue_id: null,
        idempotency_key: null,
        arguments_sha256: null,
        request_id: "r",
        via: "mcp"
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const audit = yield* Layer.build(Layer.fresh(AuditLogPostgres.layer))
          const log = yield* Effect.provide(AuditLog, audit)
          yield* Effect.forEach(Array(75), () => log.record(denied))
        })
      )
      assert.deepStrictEqual(yield* eventsOf(agent, "denied"), [...Array(60).fill(1), 15])
    })
  )
})
