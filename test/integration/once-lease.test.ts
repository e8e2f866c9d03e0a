import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { type IssueId, type ProjectId, Uuid } from "../../src/domain/Ids.ts"
import { fingerprint } from "../../src/domain/Operation.ts"
import type { CreateIssue } from "../../src/domain/Write.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import {
  expireLease,
  keyRow,
  meanwhile,
  outcome,
  taskerAtRest,
  trail,
  writesUnder
} from "../support/evidence.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** An outcome that nothing more is to be said of. */
const plainly = { checkLater: false, doubled: undefined }
const unsent = { sentMillisAgo: undefined, waitMillis: 0, resentMoved: false }

const asked = { name: "Leased" }

const intentOf = (agent: Actor, key: string) => ({
  token: agent.token,
  scope: "issue:create" as const,
  key,
  tool: "tasker_create_issue",
  projectId: agent.project.project.id as ProjectId,
  fingerprint: fingerprint("tasker_create_issue", { ...asked, project_id: agent.project.project.id }),
  write: {
    _tag: "CreateIssue",
    project_id: agent.project.project.id as ProjectId,
    name: asked.name,
    description_html: "<p></p>",
    priority: "none",
    state_id: null,
    label_ids: [],
    assignee_ids: [],
    start_date: null,
    target_date: null,
    parent_id: null
  } satisfies CreateIssue,
  before: null,
  requestId: "direct",
  client: undefined,
  counted: false,
  repetition: undefined
})

const entryOf = (agent: Actor, key: string, outcome: AuditEvent["outcome"]): AuditEvent => ({
  id: Uuid.make(randomUUID()),
  at: new Date().toISOString(),
  count: 1,
  action: "tasker_create_issue",
  outcome,
  reason: null,
  agent_id: agent.agentId,
  owner_user_id: null,
  token_id: null,
  project_id: null,
  issue_id: null as IssueId | null,
  idempotency_key: key,
  arguments_sha256: null,
  request_id: "direct",
  via: "mcp"
})

/** A reservation whose holder does nothing, as if it were slow or had died. */
const reserved = Effect.fnUntraced(function* (agent: Actor, key: string) {
  const once = yield* Idempotency
  const reservation = yield* once.reserve(intentOf(agent, key))
  assert.strictEqual(reservation._tag, "Reserved")
  return (reservation as Extract<typeof reservation, { _tag: "Reserved" }>).lease
})

const standingOf = Effect.fnUntraced(function* (agent: Actor, key: string) {
  const { operation } = yield* Effect.flatMap(TokenStore, (tokens) =>
    tokens.admit(agent.token, "writes", key)
  )
  assert(operation !== undefined && operation !== "used")
  return operation
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("the lease on a key", (it) => {
  for (const { tool, op, args } of writeRows) {
    it.effect(`keeps every other caller out while ${tool} is under way`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const key = `leased-${op}`
        const repeat = call(agent, tool, { ...args(yield* card(agent)), idempotency_key: key })
        const [first, others] = yield* meanwhile(
          op,
          outcome(repeat),
          Effect.all([outcome(repeat), outcome(repeat), outcome(repeat)], { concurrency: "unbounded" })
        )
        assert.strictEqual(first, "done")
        assert.deepStrictEqual(others, Array(3).fill("idempotency.in_progress"))
        assert.strictEqual(yield* outcome(repeat), "replayed")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.sameMembers(
          [...(yield* trail(agent, key))],
          [...Array(3).fill("denied idempotency.in_progress"), "executed", "replayed"]
        )
      })
    )
  }

  it.effect("is had by one of many who call at once, and the others are told so", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const key = "many-at-once"
      const codes = yield* Effect.all(
        Array.from({ length: 20 }, () =>
          outcome(call(agent, "tasker_create_issue", { ...asked, idempotency_key: key }))
        ),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        codes.filter((code) => code === "done"),
        1
      )
      assert.isTrue(codes.every((code) => ["done", "replayed", "idempotency.in_progress"].includes(code)))
      assert.lengthOf(yield* writesUnder(agent, key), 1)
      const events = yield* trail(agent, key)
      assert.lengthOf(events, 20)
      assert.lengthOf(
        events.filter((event) => event === "executed"),
        1
      )
    })
  )

  it.effect("is had by one of many who settle at once", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const key = "many-settle"
      yield* tasker.fault({ op: "create", fault: "cut_before" })
      const repeat = outcome(call(agent, "tasker_create_issue", { ...asked, idempotency_key: key }))
      assert.strictEqual(yield* repeat, "tasker.outcome_unknown")
      const codes = yield* Effect.all(
        Array.from({ length: 10 }, () => repeat),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        codes.filter((code) => code === "done"),
        1
      )
      assert.lengthOf(yield* writesUnder(agent, key), 1)
      // Each of these attempts is on record, those included that lost the race for the lease.
      const events = yield* trail(agent, key)
      assert.lengthOf(events, 11)
      assert.lengthOf(
        events.filter((event) => event === "executed"),
        1
      )
    })
  )

  it.effect("of a holder who died is taken over once it has run out, and not before", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const key = "holder-died"
      yield* reserved(agent, key)
      const repeat = outcome(call(agent, "tasker_create_issue", { ...asked, idempotency_key: key }))
      assert.strictEqual(yield* repeat, "idempotency.in_progress")
      yield* expireLease(agent, key)
      assert.strictEqual(yield* repeat, "done")
      assert.lengthOf(yield* writesUnder(agent, key), 1)
      assert.strictEqual((yield* keyRow(agent, key))?.fence, 2)
    })
  )

  it.effect("lost by a slow holder lets it write no outcome any more", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const once = yield* Idempotency
      const agent = yield* actor()
      for (const settledAs of ["executed", "unknown", "in_progress"] as const) {
        const key = `slow-holder-${settledAs}`
        const slow = yield* reserved(agent, key)
        yield* expireLease(agent, key)
        const claimed = yield* once.claim(yield* standingOf(agent, key))
        const { lease } = Option.getOrThrow(claimed)
        if (settledAs === "executed") {
          yield* once.complete(lease, { warnings: [] }, entryOf(agent, key, "executed"), undefined, plainly)
        } else if (settledAs === "unknown") {
          yield* once.doubt(lease, "look again", "a test", entryOf(agent, key, "unknown"), unsent)
        }
        const before = [yield* keyRow(agent, key), yield* trail(agent, key)]
        const late = { warnings: [{ field: "name", message: "too late" }] }
        assert.strictEqual(
          yield* once.complete(slow, late, entryOf(agent, key, "executed"), undefined, plainly),
          "LeaseLost"
        )
        assert.strictEqual(
          yield* once.doubt(slow, "look again", "a test", entryOf(agent, key, "unknown"), unsent),
          "LeaseLost"
        )
        assert.strictEqual(yield* once.release(slow, entryOf(agent, key, "failed")), "LeaseLost")
        assert.deepStrictEqual([yield* keyRow(agent, key), yield* trail(agent, key)], before)
      }
    })
  )

  it.effect("is claimed once for each state that was seen", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const once = yield* Idempotency
      const agent = yield* actor()
      const key = "claimed-once"
      yield* reserved(agent, key)
      const live = yield* standingOf(agent, key)
      assert.isTrue(Option.isNone(yield* once.claim(live)))
      yield* expireLease(agent, key)
      const seen = yield* standingOf(agent, key)
      assert.isTrue(Option.isSome(yield* once.claim(seen)))
      assert.isTrue(Option.isNone(yield* once.claim(seen)))
      // Run out once more: whoever saw the older state still may not.
      yield* expireLease(agent, key)
      assert.isTrue(Option.isNone(yield* once.claim(seen)))
    })
  )

  it.effect("keeps an outcome that is written twice from counting twice", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const once = yield* Idempotency
      const agent = yield* actor()
      const key = "written-twice"
      const lease = yield* reserved(agent, key)
      const complete = once.complete(
        lease,
        { warnings: [] },
        entryOf(agent, key, "executed"),
        undefined,
        plainly
      )
      assert.strictEqual(yield* complete, "Recorded")
      assert.strictEqual(yield* complete, "Recorded")
      assert.deepStrictEqual(yield* trail(agent, key), ["executed"])
    })
  )

  it.effect(
    "taken over while the first holder still waits for Tasker lets it say only that it does not know",
    () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const key = "overtaken"
        const repeat = outcome(call(agent, "tasker_create_issue", { ...asked, idempotency_key: key }))
        const [first, second] = yield* meanwhile(
          "create",
          repeat,
          Effect.andThen(expireLease(agent, key), repeat)
        )
        assert.strictEqual(first, "tasker.outcome_unknown")
        assert.strictEqual(second, "done")
        yield* taskerAtRest
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.deepStrictEqual(yield* trail(agent, key), ["executed", "unknown tasker.outcome_unknown"])
        assert.strictEqual(yield* repeat, "replayed")
      })
  )
})
