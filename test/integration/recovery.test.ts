import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { mostLooks } from "../../src/domain/Recovery.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import { RecoveryQueue } from "../../src/services/RecoveryQueue.ts"
import { eventually, keyRow, taskerAtRest, trail, trailOutcomes, writesUnder } from "../support/evidence.ts"
import { lose } from "../support/lost.ts"
import { owner } from "../support/tasker.ts"
import {
  type Actor,
  act,
  call,
  grantTerms,
  hastyRecovery,
  recovering,
  shortTimeout,
  World,
  layer as world
} from "../support/world.ts"
import { writeRows } from "../support/writes.ts"

const unknown = "unknown tasker.outcome_unknown"

const row = (agent: Actor, key: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const [found] = yield* database<{ state: string; looks: number; reason: string | null; fence: number }>`
      select state, looks, reason, fence from idempotency_keys
      where agent_id = ${agent.agentId} and key = ${key}`
    return found
  }).pipe(Effect.orDie)

/** As if its next look were due now. */
const due = (agent: Actor, key: string) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(
      database`update idempotency_keys set look_at = now() where agent_id = ${agent.agentId} and key = ${key}`
    )
  )

/** As if its holder had died, and its lease had run out. */
const abandoned = (agent: Actor, key: string) =>
  Effect.flatMap(World, ({ database }) =>
    Effect.orDie(database`
      update idempotency_keys set state = 'in_progress', look_at = null, lease_until = now()
      where agent_id = ${agent.agentId} and key = ${key}`)
  )

const settles = (agent: Actor, key: string, state: string) =>
  eventually(
    `${key} is ${state}`,
    Effect.map(row(agent, key), (found) => found?.state === state)
  )

const via = (agent: Actor, key: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const rows = yield* database<{ via: string }>`
      select via from audit_events where agent_id = ${agent.agentId} and idempotency_key = ${key}
      order by position`
    return rows.map(({ via }) => via)
  }).pipe(Effect.orDie)

layer(recovering, { timeout: "10 minutes", excludeTestServices: true })("recovery without a caller", (it) => {
  for (const { op } of writeRows) {
    for (const fault of ["cut_before", "cut_after"] as const) {
      it.effect(`settles ${op} in doubt (${fault}) as done, once, and a later call is given its answer`, () =>
        Effect.gen(function* () {
          const { actor } = yield* World
          const agent = yield* actor()
          const { again, key } = yield* lose(agent, op, fault)
          yield* due(agent, key)
          yield* settles(agent, key, "executed")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
          assert.deepStrictEqual(yield* trailOutcomes(agent, key), [unknown, "executed"])
          assert.deepStrictEqual(yield* via(agent, key), ["mcp", "recovery"])
          assert.strictEqual(yield* again, "replayed")
        })
      )
    }

    it.effect(`settles ${op} whose holder died, and the holder can write no outcome any more`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const once = yield* Idempotency
        const agent = yield* actor()
        const { key } = yield* lose(agent, op, "cut_before")
        const before = yield* keyRow(agent, key)
        yield* abandoned(agent, key)
        yield* settles(agent, key, "executed")
        const slow = {
          operationId: before?.id as never,
          fence: before?.fence ?? 0,
          upstreamKey: "",
          sendUntil: { nanos: 0n, millis: 0 }
        }
        const event = { id: crypto.randomUUID(), at: "2026-11-24T00:00:00.000Z", count: 1 } as never
        assert.strictEqual(
          yield* once.complete(slow, { warnings: [] }, event, undefined, {
            checkLater: false,
            doubled: undefined
          }),
          "LeaseLost"
        )
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect(`only looks at ${op} of an agent that was disabled: what was done is found`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const registry = yield* AgentRegistry
        const agent = yield* actor()
        const { key } = yield* lose(agent, op, "cut_after")
        yield* registry.updateAgent(act, agent.agentId, { status: "disabled" })
        yield* due(agent, key)
        yield* settles(agent, key, "executed")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect(`never sends ${op} for an agent whose grant is gone: it ends unresolved`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const registry = yield* AgentRegistry
        const agent = yield* actor()
        const { key } = yield* lose(agent, op, "cut_before")
        yield* registry.grant(act, agent.agentId, grantTerms(agent.project, ["issue:read"]))
        yield* due(agent, key)
        yield* settles(agent, key, "unresolved")
        assert.lengthOf(yield* writesUnder(agent, key), 0)
        assert.deepStrictEqual(yield* trail(agent, key), [unknown, unknown])
        assert.include((yield* row(agent, key))?.reason ?? "", "not sent again")
      })
    )

    it.effect(`frees the key of ${op} that Tasker refuses for what it is, and keeps what came of it`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const { again, key } = yield* lose(agent, op, "cut_before")
        yield* tasker.fault({ op, fault: "refuse" })
        yield* due(agent, key)
        yield* settles(agent, key, "not_executed")
        assert.deepStrictEqual(yield* trail(agent, key), [unknown, "failed tasker.rejected"])
        assert.strictEqual(yield* again, "done")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )
  }

  it.effect("leaves a change unresolved where a person changed the card meanwhile", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const { issueId, key } = yield* lose(agent, "update", "cut_before")
      yield* tasker.send("PATCH", `/issues/${issueId}`, { name: "A person's name" })
      yield* taskerAtRest
      const edited = yield* tasker.send("GET", `/issues/${issueId}`)
      yield* due(agent, key)
      yield* settles(agent, key, "unresolved")
      assert.deepStrictEqual(yield* tasker.send("GET", `/issues/${issueId}`), edited)
    })
  )

  it.effect("waits while Tasker is out, without counting its looks, and settles once it is back", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const { key } = yield* lose(agent, "create", "cut_after")
      yield* tasker.fault({ op: "any", fault: "server_error", times: "forever" })
      yield* due(agent, key)
      yield* eventually(
        "it was looked at in vain",
        Effect.map(row(agent, key), (found) => found?.state === "unknown" && found.fence > 1)
      )
      assert.strictEqual((yield* row(agent, key))?.looks, 0)
      yield* tasker.heal
      assert.lengthOf(yield* writesUnder(agent, key), 1)
    })
  )

  it.effect("counts its looks while Tasker fails at them alone", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const { key } = yield* lose(agent, "create", "cut_after")
      yield* tasker.fault({ op: "list", fault: "server_error", times: "forever" })
      yield* due(agent, key)
      yield* eventually(
        "it was looked at in vain",
        Effect.map(row(agent, key), (found) => found?.state === "unknown" && found.fence > 1)
      )
      assert.strictEqual((yield* row(agent, key))?.looks, 1)
      yield* tasker.heal
      assert.lengthOf(yield* writesUnder(agent, key), 1)
    })
  )
})

layer(hastyRecovery, { timeout: "10 minutes", excludeTestServices: true })(
  "recovery that runs out of time",
  (it) => {
    it.effect("counts the look, and is not taken for one that was handed over", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const { key } = yield* lose(agent, "update", "cut_before")
        // The look, the repeat that is cut and the look after it are each in time, all of them together are not.
        const slow = { delay_ms: 0.8 * shortTimeout }
        yield* tasker.fault({ op: "list", fault: "delay", times: 20, ...slow })
        yield* tasker.fault({ op: "update", fault: "cut_before", times: 20, ...slow })
        yield* due(agent, key)
        yield* eventually(
          "it is put back",
          Effect.map(row(agent, key), (found) => found?.state === "unknown" && found.fence > 1)
        )
        assert.strictEqual((yield* row(agent, key))?.looks, 1)
      })
    )
  }
)

/** Recovery is started by the tests here, so that what it does first is known. */
layer(world, { timeout: "10 minutes", excludeTestServices: true })("the queue of recovery", (it) => {
  it.effect("gives a write up after its twelfth look, and a call may still settle it", () =>
    Effect.gen(function* () {
      const { actor, database, tasker } = yield* World
      const agent = yield* actor()
      const { again, key } = yield* lose(agent, "create", "cut_before")
      yield* database`update idempotency_keys set looks = ${mostLooks - 1} where agent_id = ${agent.agentId}`
      yield* due(agent, key)
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      yield* Effect.gen(function* () {
        yield* Layer.build(Recovery.layer)
        yield* settles(agent, key, "unresolved")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* trail(agent, key), [unknown, unknown])
      assert.strictEqual(yield* again, "done")
      assert.lengthOf(yield* writesUnder(agent, key), 1)
    })
  )

  it.effect("puts a write back for later, longer each time, where a look found nothing out", () =>
    Effect.gen(function* () {
      const { actor, database, tasker } = yield* World
      const agent = yield* actor()
      const { key } = yield* lose(agent, "create", "cut_before")
      const waits: Array<number> = []
      for (const looks of [0, 4, 8]) {
        yield* database`update idempotency_keys set looks = ${looks} where agent_id = ${agent.agentId}`
        yield* due(agent, key)
        yield* tasker.fault({ op: "create", fault: "cut_before" })
        yield* Effect.gen(function* () {
          yield* Layer.build(Recovery.layer)
          yield* eventually(
            "it is put back",
            Effect.map(row(agent, key), (found) => found?.state === "unknown" && found.looks === looks + 1)
          )
        }).pipe(Effect.scoped)
        const [found] = yield* database<{ wait: number }>`
          select extract(epoch from look_at - now())::float8 as wait from idempotency_keys
          where agent_id = ${agent.agentId}`
        waits.push(found?.wait ?? 0)
      }
      const [first = 0, second = 0, third = 0] = waits
      assert.isAbove(first, 0)
      assert.isBelow(first, 5.1)
      assert.isAbove(second, 38)
      assert.isAbove(third, 298)
      assert.isBelow(third, 601)
    })
  )

  it.effect("gives no write to two instances, whatever they take at once", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const queue = yield* RecoveryQueue
      const agent = yield* actor()
      for (let n = 0; n < 12; n++) {
        yield* call(agent, "tasker_create_issue", { name: `Card ${n}`, idempotency_key: `taken-by-one-${n}` })
      }
      yield* database`
        update idempotency_keys set state = 'in_progress', answer = null, settled_at = null,
          lease_until = now() - interval '1 second', intent = ${JSON.stringify(intent(agent))}::jsonb
        where agent_id = ${agent.agentId}`
      const taken = yield* Effect.all(
        Array.from({ length: 6 }, () => queue.take(4)),
        { concurrency: "unbounded" }
      )
      const keys = taken.flat().map(({ operation }) => operation.key)
      assert.lengthOf(keys, 12)
      assert.strictEqual(new Set(keys).size, 12)
      assert.isEmpty(yield* queue.take(4))
    })
  )
})

const intent = (agent: Actor) => ({
  _tag: "CreateIssue",
  project_id: agent.project.project.id,
  name: "Card",
  description_html: "<p></p>",
  priority: "none",
  state_id: null,
  label_ids: [],
  assignee_ids: [owner.id],
  start_date: null,
  target_date: null,
  parent_id: null
})
