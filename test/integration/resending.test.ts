import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { codeOf } from "../../src/domain/Failure.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import {
  eventually,
  expireLease,
  keyRow,
  outcome,
  refusal,
  taskerAtRest,
  trail,
  writesUnder
} from "../support/evidence.ts"
import { type Actor, call, shortTimeout, World, withVariables } from "../support/world.ts"
import { card } from "../support/writes.ts"

/** A gateway that assumes a request dead after half a minute, as by default. */
const patient = withVariables({ TASKER_SETTLE_AFTER_MS: "30000" })

const makings = [
  { op: "create", tool: "tasker_create_issue", args: () => ({ name: "Made once" }) },
  {
    op: "comment",
    tool: "tasker_add_comment",
    args: (issue_id: string) => ({ issue_id, comment: "Said once" })
  }
]

const sent = (op: string) =>
  Effect.flatMap(World, ({ tasker }) =>
    Effect.map(tasker.requests, (requests) => requests.filter((request) => request.op === op).length)
  )

/** As if a request was sent so long ago. */
const aged = (agent: Actor, key: string, interval: string) =>
  Effect.flatMap(
    World,
    ({ database }) => database`
      update idempotency_keys set sent_until = sent_until - ${interval}::interval,
        created_at = created_at - ${interval}::interval
      where agent_id = ${agent.agentId} and key = ${key}`
  )

layer(patient, { timeout: "10 minutes", excludeTestServices: true })("a write whose reply was lost", (it) => {
  for (const { args, op, tool } of makings) {
    it.effect(`of ${op} is not sent again before its first request is assumed dead`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `not-at-once-${op}`
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        const before = yield* sent(op)
        yield* tasker.fault({ op, fault: "cut_before" })
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        const failure = yield* refusal(again)
        assert.strictEqual(codeOf(failure), "tasker.outcome_unknown")
        assert.isTrue(failure.retryable)
        const seconds = Number(failure.details.retry_after_seconds)
        assert.isTrue(seconds > 5 && seconds <= 30, `it says ${seconds} s`)
        assert.strictEqual((yield* sent(op)) - before, 1)
        yield* aged(agent, key, "31 seconds")
        assert.strictEqual(yield* outcome(again), "done")
        assert.strictEqual((yield* sent(op)) - before, 2)
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect(`of ${op} is found at once if Tasker has it`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const again = outcome(call(agent, tool, { ...args(issueId), idempotency_key: `found-at-once-${op}` }))
        yield* tasker.fault({ op, fault: "cut_after" })
        assert.strictEqual(yield* again, "tasker.outcome_unknown")
        assert.strictEqual(yield* again, "done")
      })
    )

    it.effect(`of ${op} by an instance of an earlier version waits from when it is taken over`, () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `before-the-column-${op}`
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        const before = yield* sent(op)
        yield* tasker.fault({ op, fault: "cut_before" })
        yield* outcome(again)
        yield* database`
          update idempotency_keys set sent_until = null where agent_id = ${agent.agentId} and key = ${key}`
        const failure = yield* refusal(again)
        assert.isAbove(Number(failure.details.retry_after_seconds), 20)
        assert.strictEqual((yield* sent(op)) - before, 1)
        yield* aged(agent, key, "31 seconds")
        assert.strictEqual(yield* outcome(again), "done")
      })
    )

    it.effect(`of ${op} by a process that died waits for the end of its lease and the time after it`, () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `died-with-${op}`
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        yield* tasker.fault({ op, fault: "cut_before" })
        yield* outcome(again)
        yield* database`
          update idempotency_keys set state = 'in_progress', look_at = null, sent_until = null,
            lease_until = now() + interval '1 minute'
          where agent_id = ${agent.agentId} and key = ${key}`
        assert.strictEqual(yield* outcome(again), "idempotency.in_progress")
        yield* expireLease(agent, key)
        const failure = yield* refusal(again)
        assert.strictEqual(codeOf(failure), "tasker.outcome_unknown")
        assert.isAbove(Number(failure.details.retry_after_seconds), 20)
        yield* aged(agent, key, "31 seconds")
        assert.strictEqual(yield* outcome(again), "done")
      })
    )
  }

  it.effect("of a change by an agent that was disabled is looked for until its request is assumed dead", () =>
    Effect.gen(function* () {
      const { actor, database, tasker } = yield* World
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const key = "moved-then-disabled"
      const move = { issue_id: issueId, state: "Done", idempotency_key: key }
      yield* tasker.fault({ op: "move", fault: "cut_before" })
      assert.strictEqual(yield* outcome(call(agent, "tasker_move_issue", move)), "tasker.outcome_unknown")
      yield* database`update agents set status = 'disabled' where id = ${agent.agentId}`
      const settled = (fence: number) =>
        Effect.andThen(
          database`
            update idempotency_keys set look_at = now(), next_look = now()
            where agent_id = ${agent.agentId} and key = ${key}`,
          eventually(
            "recovery has looked",
            Effect.map(keyRow(agent, key), (row) => row?.fence === fence && row.state !== "in_progress")
          )
        )
      yield* Effect.scoped(Effect.andThen(Layer.build(Recovery.layer), settled(2)))
      assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown")
      yield* aged(agent, key, "31 seconds")
      yield* Effect.scoped(Effect.andThen(Layer.build(Recovery.layer), settled(3)))
      assert.strictEqual((yield* keyRow(agent, key))?.state, "unresolved")
    })
  )

  it.effect("of a change is sent again without waiting, and not later than an hour after its first try", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const move = (state: string, key: string) =>
        outcome(call(agent, "tasker_move_issue", { issue_id: issueId, state, idempotency_key: key }))
      yield* tasker.fault({ op: "move", fault: "cut_before" })
      assert.strictEqual(yield* move("In Progress", "moved-at-once"), "tasker.outcome_unknown")
      assert.strictEqual(yield* move("In Progress", "moved-at-once"), "done")
      yield* tasker.fault({ op: "move", fault: "cut_before" })
      assert.strictEqual(yield* move("Done", "moved-too-late"), "tasker.outcome_unknown")
      yield* aged(agent, "moved-too-late", "61 minutes")
      assert.strictEqual(yield* move("Done", "moved-too-late"), "tasker.outcome_unknown")
      assert.strictEqual((yield* keyRow(agent, "moved-too-late"))?.state, "unresolved")
      assert.lengthOf(yield* writesUnder(agent, "moved-too-late"), 0)
    })
  )
})

/** A gateway that sends again at once, and so meets its own late first tries. */
const hurried = withVariables({
  TASKER_SETTLE_AFTER_MS: "0",
  TASKER_TIMEOUT_MS: String(shortTimeout),
  CALL_DEADLINE_MS: "20000"
})

layer(hurried, { timeout: "10 minutes", excludeTestServices: true })("a double", (it) => {
  for (const { args, op, tool } of makings) {
    it.effect(`of ${op} that the resend itself made is told at once: answer, trail and operation`, () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `doubled-${op}`
        // A Tasker without repeat detection: the late first try and the resend are both executed.
        yield* tasker.switches({ dedupe_key: false, dedupe_external: false })
        yield* tasker.fault({ op, fault: "delay", delay_ms: shortTimeout + 400 })
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        yield* tasker.fault({ op, fault: "delay", delay_ms: 800 })
        const { structured } = yield* again
        yield* taskerAtRest
        yield* tasker.heal
        assert.lengthOf(yield* writesUnder(agent, key), 2)
        const { warnings } = structured as { warnings: ReadonlyArray<{ field: string; message: string }> }
        const ids = (yield* writesUnder(agent, key)).map(({ comment_id, issue_id }) => comment_id ?? issue_id)
        for (const id of ids) assert.include(warnings[0]?.message, String(id))
        const replay = (yield* again).structured as { warnings: unknown }
        assert.deepStrictEqual(replay.warnings, warnings)
        const events = yield* database<{ action: string; outcome: string }>`
          select action, outcome from audit_events
          where agent_id = ${agent.agentId} and idempotency_key = ${key} order by position`
        assert.deepStrictEqual(
          events.map(({ action, outcome }) => `${action} ${outcome}`),
          [`${tool} unknown`, `${tool} executed`, "write.doubled failed", `${tool} replayed`]
        )
        const [twin] = yield* database<{ change_sha256: string | null }>`
          select change_sha256 from audit_events
          where agent_id = ${agent.agentId} and idempotency_key = ${key} and action = 'write.doubled'`
        assert.isNull(twin?.change_sha256)
        const [row] = yield* database<{ doubled: boolean }>`
          select doubled from idempotency_keys where agent_id = ${agent.agentId} and key = ${key}`
        assert.isTrue(row?.doubled)
      })
    )
  }

  it.effect("is told with its ids to a writer without issue:read", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor(allScopes.filter((scope) => scope !== "issue:read"))
      const key = "doubled-unread"
      yield* tasker.switches({ dedupe_key: false, dedupe_external: false })
      yield* tasker.fault({ op: "create", fault: "delay", delay_ms: shortTimeout + 400 })
      const again = call(agent, "tasker_create_issue", { name: "Unread twins", idempotency_key: key })
      assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
      yield* tasker.fault({ op: "create", fault: "delay", delay_ms: 800 })
      const { structured } = yield* again
      yield* taskerAtRest
      yield* tasker.heal
      const { warnings } = structured as { warnings: ReadonlyArray<{ field: string; message: string }> }
      for (const { issue_id } of yield* writesUnder(agent, key)) {
        assert.include(warnings[0]?.message, String(issue_id))
      }
    })
  )
})

/** The same, where recovery takes the second look. */
const looking = withVariables(
  { TASKER_SETTLE_AFTER_MS: "1000", TASKER_TIMEOUT_MS: "500", CALL_DEADLINE_MS: "20000" },
  { recovering: true }
)

layer(looking, { timeout: "10 minutes", excludeTestServices: true })("a double that comes later", (it) => {
  for (const { args, op, tool } of makings) {
    it.effect(`of ${op} is found and told by the second look`, () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `doubled-later-${op}`
        yield* tasker.switches({ dedupe_key: false, dedupe_external: false })
        // The first request is held up far beyond the time after which it is assumed dead.
        yield* tasker.fault({ op, fault: "delay", delay_ms: 3500 })
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        yield* eventually(
          "a call sends it again",
          Effect.map(outcome(again), (code) => code === "done")
        )
        yield* database`
          update idempotency_keys set check_at = now() + interval '1 hour'
          where agent_id = ${agent.agentId} and key = ${key} and check_at is not null`
        yield* taskerAtRest
        yield* database`
          update idempotency_keys set check_at = now()
          where agent_id = ${agent.agentId} and key = ${key} and check_at is not null`
        yield* eventually(
          "the double is told",
          Effect.map(trail(agent, key), (events) => events.includes("failed"))
        )
        const { structured } = yield* again
        const { warnings } = structured as { warnings: ReadonlyArray<{ message: string }> }
        for (const { comment_id, issue_id } of yield* writesUnder(agent, key)) {
          assert.include(warnings.at(-1)?.message, String(comment_id ?? issue_id))
        }
        yield* tasker.heal
      })
    )

    it.effect(`of ${op} is found also if the reply to the resend was lost`, () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `resend-lost-${op}`
        yield* tasker.switches({ dedupe_key: false, dedupe_external: false })
        yield* tasker.fault({ op, fault: "delay", delay_ms: 6000 })
        yield* tasker.fault({ op, fault: "cut_after" })
        const again = call(agent, tool, { ...args(issueId), idempotency_key: key })
        assert.strictEqual(yield* outcome(again), "tasker.outcome_unknown")
        yield* eventually(
          "what the resend made is found",
          Effect.map(outcome(again), (code) => code === "done" || code === "replayed")
        )
        yield* database`
          update idempotency_keys set check_at = now() + interval '1 hour'
          where agent_id = ${agent.agentId} and key = ${key} and check_at is not null`
        yield* taskerAtRest
        assert.lengthOf(yield* writesUnder(agent, key), 2)
        yield* database`
          update idempotency_keys set check_at = now()
          where agent_id = ${agent.agentId} and key = ${key} and check_at is not null`
        yield* eventually(
          "the double is told",
          Effect.map(trail(agent, key), (events) => events.includes("failed"))
        )
        yield* tasker.heal
      })
    )
  }

  it.effect("is looked for again if the look fails, however often the write itself was looked for", () =>
    Effect.gen(function* () {
      const { actor, database, tasker } = yield* World
      const agent = yield* actor()
      const key = "looked-for-often"
      yield* card(agent, key)
      yield* tasker.fault({ op: "list", fault: "cut_before", times: 3 })
      yield* database`
        update idempotency_keys set check_at = now() - interval '1 second', looks = 11
        where agent_id = ${agent.agentId} and key = ${key}`
      const row = Effect.map(
        database<{ looks: number; over: boolean; again: boolean }>`
          select looks, check_at is null as over,
            coalesce(check_at > now() and check_at < now() + interval '20 seconds', false) as again
          from idempotency_keys where agent_id = ${agent.agentId} and key = ${key}`,
        ([one]) => one
      )
      yield* eventually(
        "the look has failed",
        Effect.map(row, (one) => one?.over === true || one?.again === true)
      )
      assert.deepStrictEqual(yield* row, { looks: 11, over: false, again: true })
      yield* tasker.heal
    })
  )
})
