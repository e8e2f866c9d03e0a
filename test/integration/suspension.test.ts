import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { outcome, refusal } from "../support/evidence.ts"
import { type Actor, act, call, grantTerms, World, withVariables } from "../support/world.ts"
import { card } from "../support/writes.ts"

/** Twelve denials, and so three refusals of one write. */
const strict = withVariables({ SUSPEND_AFTER_DENIALS: "12", DUPLICATE_WINDOW_MINUTES: "15" })
const lenient = withVariables({ SUSPEND_AFTER_DENIALS: "0" })

const foreign = "0d1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c11"

/** A read of a project that is not granted. */
const stray = (agent: Actor) => outcome(call(agent, "tasker_get_project_context", { project_id: foreign }))

const detail = (agent: Actor) =>
  Effect.flatMap(AgentRegistry, (registry) =>
    Effect.map(Effect.orDie(registry.getAgent(undefined, agent.agentId)), ({ agent }) => agent)
  )

const events = (agent: Actor) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(
      Effect.map(
        database<{ action: string; reason: string | null; via: string }>`
          select action, reason, via from audit_events
          where agent_id = ${agent.agentId} and action like 'agent.%' order by position`,
        (rows) => rows.map(({ action, reason, via }) => `${action} ${reason ?? ""} ${via}`)
      )
    )
  )

layer(strict, { timeout: "10 minutes", excludeTestServices: true })("an agent", (it) => {
  it.effect("is disabled by its twelfth denial, with a reason, on record, once", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      for (let n = 1; n < 12; n++) assert.strictEqual(yield* stray(agent), "grant.no_grant")
      assert.strictEqual((yield* detail(agent)).status, "active")
      assert.strictEqual(yield* stray(agent), "grant.no_grant")
      assert.deepInclude(yield* detail(agent), {
        status: "disabled",
        disabled_reason:
          "12 denials within 10 minutes, the last of them grant.no_grant to tasker_get_project_context"
      })
      const failure = yield* refusal(call(agent, "tasker_get_session", { project_id: undefined }))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, "auth.agent_disabled")
      assert.include(failure.message, "12 denials within 10 minutes")
      assert.deepStrictEqual(yield* events(agent), [
        "agent.created  admin",
        "agent.suspended grant.no_grant mcp"
      ])
    })
  )

  it.effect("is disabled once by many denials at the same instant", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      yield* Effect.all(
        Array.from({ length: 30 }, () => stray(agent)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* detail(agent)).status, "disabled")
      assert.lengthOf(yield* events(agent), 2)
    })
  )

  it.effect("is enabled again by its owner, and what was counted is forgotten", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      for (let n = 0; n < 12; n++) yield* stray(agent)
      yield* registry.updateAgent(act, agent.agentId, { status: "active" })
      assert.deepInclude(yield* detail(agent), { status: "active", disabled_reason: null })
      for (let n = 0; n < 11; n++) assert.strictEqual(yield* stray(agent), "grant.no_grant")
      assert.strictEqual((yield* detail(agent)).status, "active")
    })
  )

  it.effect("is not disabled by denials of which some are more than ten minutes old", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      for (let n = 0; n < 11; n++) yield* stray(agent)
      yield* database`
        update denial_counts set minute = minute - interval '10 minutes' where agent_id = ${agent.agentId}`
      for (let n = 0; n < 11; n++) yield* stray(agent)
      assert.strictEqual((yield* detail(agent)).status, "active")
    })
  )

  for (const [words, args, code] of [
    ["by our rules", { name: "A card", project_id: foreign }, "grant.no_grant"],
    ["for its arguments", { name: "A card", state: "No such state" }, "input.unknown_reference"],
    ["as one that can't be read", { name: 7 }, "input.invalid"]
  ] as const) {
    it.effect(`is disabled by the third refusal of one write ${words}, whatever its key`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        for (let n = 0; n < 3; n++) {
          assert.strictEqual((yield* detail(agent)).status, "active")
          const wanted = call(agent, "tasker_create_issue", { ...args, idempotency_key: `once-again-${n}` })
          assert.strictEqual(yield* outcome(wanted), code)
        }
        assert.strictEqual(
          (yield* detail(agent)).disabled_reason,
          `the same tasker_create_issue refused 3 times within 10 minutes, the last time as ${code}`
        )
      })
    )
  }

  it.effect("is not disabled by refusals of writes that differ, nor by what is worth repeating", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      for (let n = 0; n < 6; n++) {
        yield* outcome(
          call(agent, "tasker_create_issue", {
            name: `Card ${n}`,
            state: "No such state",
            idempotency_key: `another-${n}`
          })
        )
      }
      const issue_id = yield* card(agent)
      yield* tasker.fault({ op: "list", fault: "rate_limit", times: 6, retry_after: 0 })
      for (let n = 0; n < 6; n++) {
        yield* outcome(
          call(agent, "tasker_move_issue", { issue_id, state: "Done", idempotency_key: `repeated-${n}` })
        )
      }
      yield* tasker.heal
      assert.strictEqual((yield* detail(agent)).status, "active")
    })
  )

  it.effect("is not disabled by those who use its dead token", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      const { items } = yield* registry.listTokens(undefined, agent.agentId, { limit: 10, cursor: undefined })
      for (const { id } of items) yield* registry.revokeToken(act, agent.agentId, id)
      for (let n = 0; n < 30; n++) assert.strictEqual(yield* stray(agent), "auth.revoked")
      assert.strictEqual((yield* detail(agent)).status, "active")
    })
  )
})

layer(lenient, { timeout: "10 minutes", excludeTestServices: true })("with SUSPEND_AFTER_DENIALS=0", (it) => {
  it.effect("no rule disables an agent", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* registry.grant(act, agent.agentId, grantTerms(agent.project, ["project:read"]))
      for (let n = 0; n < 120; n++) yield* stray(agent)
      assert.strictEqual((yield* detail(agent)).status, "active")
    })
  )
})
