import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { eventually, expireLease, keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { lose } from "../support/lost.ts"
import {
  type Actor,
  call,
  layer as plain,
  proxied,
  recovering,
  World,
  withVariables
} from "../support/world.ts"

/** What was found by looking for trouble: each of these is a fault that an agent, an owner or an operator meets. */

const create = (agent: Actor, name: string, key: string, more: object = {}) =>
  call(agent, "tasker_create_issue", { name, idempotency_key: key, ...more })

/** Recovery of another instance comes by, until the key is settled. */
const recovered = (agent: Actor, key: string) =>
  Effect.scoped(
    Effect.andThen(
      Layer.build(Recovery.layer),
      eventually(
        `${key} is settled`,
        Effect.map(keyRow(agent, key), (row) => row?.state !== "in_progress")
      )
    )
  )

layer(proxied, { timeout: "10 minutes", excludeTestServices: true })(
  "a call that is told nothing was done",
  (it) => {
    it.effect(
      "and whose refusal by Tasker could not be put on record is not carried out behind its back",
      () =>
        Effect.gen(function* () {
          const { actor, proxy, tasker } = yield* World
          const agent = yield* actor()
          yield* tasker.fault({ op: "create", fault: "refuse" })
          yield* proxy.breakOn({ statement: /delete from idempotency_keys/, when: "before", times: 1000 })
          const told = yield* refusal(create(agent, "Refused", "refused-unrecorded"))
          yield* proxy.mend
          yield* expireLease(agent, "refused-unrecorded")
          yield* recovered(agent, "refused-unrecorded")
          const writes = yield* writesUnder(agent, "refused-unrecorded")
          assert.isTrue(
            writes.length === 0 || told.reason === "outcome_unknown",
            `told ${told.kind}.${told.reason} (${told.message}), and Tasker has ${writes.length}: ${yield* trail(agent, "refused-unrecorded")}`
          )
        })
    )

    it.effect("since its reservation's reply got lost is not carried out behind its back", () =>
      Effect.gen(function* () {
        const { actor, proxy } = yield* World
        const agent = yield* actor()
        yield* proxy.breakOn({ statement: /insert into idempotency_keys/, when: "after", times: 2 })
        const told = yield* refusal(create(agent, "Reserved", "reserved-unheard"))
        yield* proxy.mend
        yield* expireLease(agent, "reserved-unheard")
        yield* recovered(agent, "reserved-unheard")
        const writes = yield* writesUnder(agent, "reserved-unheard")
        assert.isTrue(
          writes.length === 0 || !told.message.includes("Nothing was changed"),
          `told ${told.kind}.${told.reason} (${told.message}), and Tasker has ${writes.length}`
        )
      })
    )
  }
)

layer(recovering, { timeout: "10 minutes", excludeTestServices: true })(
  "a write that this gateway can't read",
  (it) => {
    it.effect("holds up no other that is due", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* actor()
        const poison = yield* actor()
        yield* lose(poison, "comment", "cut_before")
        const { key } = yield* lose(agent, "create", "cut_after")
        yield* database.withTransaction(
          Effect.gen(function* () {
            yield* database`
            update idempotency_keys set look_at = now() - interval '1 second', intent = '{"_tag":"OfALaterGateway"}'
            where agent_id = ${poison.agentId} and state = 'unknown'`
            yield* database`update idempotency_keys set look_at = now() where agent_id = ${agent.agentId} and key = ${key}`
          })
        )
        yield* eventually(
          "the other one is settled",
          Effect.map(keyRow(agent, key), (row) => row?.state === "executed")
        )
      })
    )
  }
)

layer(withVariables({ DUPLICATE_WINDOW_MINUTES: "15" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a second card that was intended and that Tasker refused", (it) => {
  it.effect("leaves the first one's title taken", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      assert.strictEqual(yield* outcome(create(agent, "Same title", "the-first")), "done")
      yield* tasker.fault({ op: "create", fault: "refuse" })
      const second = create(agent, "Same title", "the-second", { allow_duplicate: true })
      assert.strictEqual(yield* outcome(second), "tasker.rejected")
      assert.strictEqual(
        yield* outcome(create(agent, "Same title", "the-third")),
        "duplicate.possible_duplicate"
      )
    })
  )
})

layer(withVariables({ RATE_LIMIT_WRITES_PER_MINUTE: "3", RATE_LIMIT_READS_PER_MINUTE: "3" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("an agent's rate", (it) => {
  it.effect("counts calls that can't be read, each of which is an event", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      const codes: Array<string> = []
      for (let n = 0; n < 40; n++) {
        codes.push(yield* outcome(create(agent, `Card ${n}`, `malformed-${n}`, { no_such_field: n })))
      }
      const [row] = yield* database<{ events: number }>`
        select count(*)::integer as events from audit_events where agent_id = ${agent.agentId} and outcome = 'failed'`
      assert.include(codes, "limit.rate", `40 calls, ${row?.events} events`)
    })
  )

  it.effect("counts calls with a key in doubt, each of which looks at Tasker", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "comment", fault: "cut_before", times: 100 })
      const card = yield* create(agent, "A card", "the-card")
      const issue_id = (card.structured as { issue: { id: string } }).issue.id
      const codes: Array<string> = []
      const before = (yield* tasker.requests).length
      for (let n = 0; n < 12; n++) {
        codes.push(
          yield* outcome(
            call(agent, "tasker_add_comment", { issue_id, comment: "x", idempotency_key: "in-doubt" })
          )
        )
      }
      assert.include(codes, "limit.rate", `${(yield* tasker.requests).length - before} requests to Tasker`)
    })
  )
})

layer(withVariables({ SUSPEND_AFTER_DENIALS: "12" }), { timeout: "10 minutes", excludeTestServices: true })(
  "an agent that never waits for an answer",
  (it) => {
    it.effect("is disabled by its denials like any other", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* actor()
        const strange = "11111111-1111-4111-8111-111111111111"
        for (let n = 0; n < 40; n++) {
          const fiber = yield* Effect.forkDetach(
            Effect.exit(create(agent, `Card ${n}`, `unheard-${n}`, { project_id: strange })),
            { startImmediately: true }
          )
          yield* Fiber.interrupt(fiber)
        }
        const [row] = yield* database<{ status: string; denied: number }>`
          select status, (select count(*)::integer from audit_events where agent_id = a.id and outcome = 'denied') as denied
          from agents a where id = ${agent.agentId}`
        assert.strictEqual(row?.status, "disabled", `${row?.denied} denials on record`)
      })
    )
  }
)

layer(recovering, { timeout: "10 minutes", excludeTestServices: true })(
  "a Tasker that lets the gateway in no more",
  (it) => {
    it.effect("counts as one that can't be asked: nothing is given up to its owner for it", () =>
      Effect.gen(function* () {
        const { actor, database, tasker } = yield* World
        const agent = yield* actor()
        const { key } = yield* lose(agent, "create", "cut_after")
        yield* tasker.fault({ op: "list", fault: "unauthorized", times: 1000 })
        yield* database`
        update idempotency_keys set looks = 11, look_at = now() where agent_id = ${agent.agentId} and key = ${key}`
        const look = database<{ state: string; looks: number; soon: boolean }>`
        select state, looks, look_at > now() as soon from idempotency_keys
        where agent_id = ${agent.agentId} and key = ${key}`
        yield* eventually(
          "it was looked at",
          Effect.map(look, ([row]) => row?.state === "unresolved" || (row?.state === "unknown" && row.soon))
        )
        yield* tasker.heal
        const [row] = yield* look
        assert.deepInclude(row, { state: "unknown", looks: 11 })
      })
    )
  }
)

layer(plain, { timeout: "10 minutes", excludeTestServices: true })(
  "an answer that Tasker gave to an earlier write",
  (it) => {
    const standing = (issueId: string) =>
      Effect.flatMap(World, ({ tasker }) =>
        Effect.map(tasker.send("GET", `/issues/${issueId}`), JSON.stringify)
      )

    it.effect(
      "is not taken for that of a change under a key that stood for another and was settled as not made",
      () =>
        Effect.gen(function* () {
          const { actor, database } = yield* World
          const agent = yield* actor()
          const { issueId, key } = yield* lose(agent, "update", "cut_after")
          yield* database`
        update idempotency_keys set state = 'not_executed', intent = null, look_at = null, settled_at = now()
        where agent_id = ${agent.agentId} and key = ${key}`
          const other = call(agent, "tasker_update_issue", {
            issue_id: issueId,
            name: "Quite another",
            idempotency_key: key
          })
          const told = yield* outcome(other)
          const stands = yield* standing(issueId)
          assert.isTrue(
            told !== "done" || stands.includes("Quite another"),
            `told ${told}, and the card is ${stands}`
          )
        })
    )

    it.effect("is not taken for that of a change under a key that was forgotten after its time", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const agent = yield* actor()
        const made = yield* create(agent, "A card", "a-card-of-it")
        const issue_id = (made.structured as { issue: { id: string } }).issue.id
        const rename = (name: string, key: string) =>
          outcome(call(agent, "tasker_update_issue", { issue_id, name, idempotency_key: key }))
        assert.strictEqual(yield* rename("One", "rename-to-one"), "done")
        assert.strictEqual(yield* rename("Two", "rename-to-two"), "done")
        yield* database`delete from idempotency_keys where agent_id = ${agent.agentId} and key = 'rename-to-one'`
        const told = yield* rename("One", "rename-to-one")
        const stands = yield* standing(issue_id)
        assert.isTrue(told !== "done" || stands.includes('"One"'), `told ${told}, and the card is ${stands}`)
      })
    )
  }
)

layer(plain, { timeout: "10 minutes", excludeTestServices: true })(
  "a write with half of a surrogate pair",
  (it) => {
    it.effect("is refused as invalid and does not make the gateway fail", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        assert.strictEqual(yield* outcome(create(agent, "\ud800", "half-of-a-pair")), "input.invalid")
      })
    )
  }
)
