import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recovery from "../../src/calls/Recovery.ts"
import { changeHash } from "../../src/domain/Change.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import type { TimelineEntry } from "../../src/domain/Timeline.ts"
import * as Reaper from "../../src/layers/Reaper.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { Timeline } from "../../src/services/Timeline.ts"
import { eventually, outcome, trailOutcomes } from "../support/evidence.ts"
import { layer as gateway } from "../support/http.ts"
import { lost, settle } from "../support/operations.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, act, call, grantTerms, sql, World } from "../support/world.ts"
import { card, type WriteRow, writeRows } from "../support/writes.ts"

/** What an agent's timeline tells of one key, oldest first. */
const told = (agent: Actor, key: string) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline
    const { items } = yield* timeline.list(owner.id as UserId, {
      agentId: agent.agentId,
      limit: 100,
      cursor: undefined
    })
    return items
      .flatMap(({ entries }) => entries)
      .filter(({ idempotency_key }) => idempotency_key === key)
      .reverse()
  })

/** The one entry that says that something was changed; its change is the one that the trail stands for. */
const changedBy = Effect.fnUntraced(function* (agent: Actor, key: string) {
  const [entry, ...others] = (yield* told(agent, key)).filter(
    ({ action, outcome }) => outcome === "executed" && action !== "operation.settled"
  )
  if (entry === undefined || others.length > 0) return assert.fail(`${others.length + 1} events say so`)
  if (entry.change === null) return assert.fail("no change was kept")
  assert.strictEqual(entry.change_sha256, changeHash(entry.change))
  return entry
})

type Changed = Pick<NonNullable<TimelineEntry["change"]>, "before" | "after">

const labelsOf = ({ labels }: Actor["project"], ...names: ReadonlyArray<string>) =>
  labels.filter(({ name }) => names.includes(name)).map(({ id, name }) => ({ id, name }))

/** What each row of `writeRows` comes to on a card that `card` made. Texts are as Tasker gives them back. */
const expected: Readonly<Record<string, (project: Actor["project"]) => Changed>> = {
  create: (project) => ({
    before: null,
    after: {
      name: "A new card",
      description: "With **text**",
      priority: "none",
      state: stateOf(project, "Todo"),
      labels: labelsOf(project, "bug"),
      assignees: [],
      start_date: null,
      target_date: null,
      parent_id: null
    }
  }),
  update: () => ({
    before: { name: "A card", description: "", priority: "none" },
    after: { name: "A new name", description: "A new _text_", priority: "high" }
  }),
  move: (project) => ({
    before: { state: stateOf(project, "Backlog") },
    after: { state: stateOf(project, "In Progress") }
  }),
  labels: (project) => ({
    before: { labels: labelsOf(project, "backend") },
    after: { labels: labelsOf(project, "bug", "backend") }
  }),
  assignees: () => ({
    before: { assignees: [] },
    after: { assignees: [{ id: "ivan", display_name: "Ivan Developer" }] }
  })
}

const stateOf = ({ states }: Actor["project"], wanted: string) => {
  const { group, id, name } = states.find(({ name }) => name === wanted) ?? assert.fail(wanted)
  return { id, name, group }
}

const assertChange = (agent: Actor, op: string, { change, issue }: TimelineEntry, issueId: string) => {
  if (op === "comment") {
    assert.isNull(change?.before)
    assert.hasAllKeys(change?.after, ["id", "comment"])
    assert.strictEqual(change?.after.comment, "Looks **good**")
  } else {
    assert.deepStrictEqual(change, expected[op]?.(agent.project) ?? assert.fail(`no row for ${op}`))
  }
  if (op !== "create") assert.strictEqual(issue?.id, issueId)
  assert.match(issue?.identifier ?? "", /^OPS\d+-\d+$/)
}

/** As if its next look were due now. */
const due = (agent: Actor, key: string) =>
  Effect.flatMap(sql, (db) =>
    Effect.orDie(db`
      update idempotency_keys set look_at = now() where agent_id = ${agent.agentId} and key = ${key}`)
  )

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("before and after of a change", (it) => {
  for (const row of writeRows) {
    const { tool, op, args } = row

    it.effect(`are kept of ${tool}, with their hash in the event`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `changed-${op}`
        yield* call(agent, tool, { ...args(issueId), idempotency_key: key })
        assertChange(agent, op, yield* changedBy(agent, key), issueId)
      })
    )

    it.effect(`are kept also of ${tool} by an agent that may not read the card`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const registry = yield* AgentRegistry
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const blind = allScopes.filter((scope) => scope !== "issue:read" && scope !== "project:read")
        yield* registry.grant(act, agent.agentId, grantTerms(agent.project, blind))
        yield* call(agent, tool, { ...args(issueId), idempotency_key: `blind-${op}` })
        assertChange(agent, op, yield* changedBy(agent, `blind-${op}`), issueId)
      })
    )

    it.effect(`are kept once of ${tool} whose outcome was unknown and which a later call settled`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `doubted-${op}`
        const asked = { ...args(issueId), idempotency_key: key }
        yield* tasker.fault({ op, fault: "cut_after" })
        assert.strictEqual(yield* outcome(call(agent, tool, asked)), "tasker.outcome_unknown")
        yield* call(agent, tool, asked)
        yield* call(agent, tool, asked)
        const entries = yield* told(agent, key)
        assert.deepStrictEqual(
          entries.map(({ outcome, change }) => [outcome, change !== null]),
          [
            ["unknown", false],
            ["executed", true],
            ["replayed", false]
          ]
        )
        assertChange(agent, op, yield* changedBy(agent, key), issueId)
      })
    )

    it.effect(`are kept of ${tool} that recovery settled without its caller`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `recovered-${op}`
        yield* tasker.fault({ op, fault: "cut_before" })
        yield* outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
        yield* due(agent, key)
        yield* Effect.scoped(
          Effect.andThen(
            Layer.build(Recovery.layer),
            eventually(
              `${key} is settled`,
              Effect.map(trailOutcomes(agent, key), (events) => events.includes("executed"))
            )
          )
        )
        assertChange(agent, op, yield* changedBy(agent, key), issueId)
      })
    )
  }

  const withCard = writeRows.filter(({ op }) => op !== "comment" && op !== "create")
  it.effect.each(withCard.map((row) => [row.tool, row] as const))(
    "are kept of %s that its owner settled as executed",
    ([, row]: readonly [string, WriteRow]) =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), row)
        yield* settle(one.operation.id, { outcome: "executed", note: "I see it" })
        assertChange(one.agent, row.op, yield* changedBy(one.agent, one.key), one.issueId)
      })
  )

  it.effect("are not kept of what its owner settled as made and can't be shown", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      yield* settle(one.operation.id, { outcome: "executed", note: "Some card" })
      const entry = (yield* told(one.agent, one.key)).at(-1)
      assert.deepInclude(entry, { outcome: "executed", change: null, change_sha256: null })
    })
  )

  it.effect("are not kept of what changed nothing: refused, denied, only tried, replayed", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const asked = { issue_id: issueId, priority: "high", idempotency_key: "nothing-changed" }
      const kept = Effect.map(
        db<{ changes: number }>`
          select count(*)::integer as changes from changes where agent_id = ${agent.agentId}`,
        ([row]) => row?.changes
      )
      const before = yield* kept
      yield* tasker.fault({ op: "update", fault: "refuse" })
      yield* outcome(call(agent, "tasker_update_issue", asked))
      yield* outcome(call(agent, "tasker_update_issue", { ...asked, project_id: issueId }))
      yield* call(agent, "tasker_update_issue", { ...asked, dry_run: true })
      yield* outcome(call(agent, "tasker_update_issue", { ...asked, priority: "unheard-of" }))
      assert.strictEqual(yield* kept, before)
      const entries = yield* told(agent, "nothing-changed")
      assert.deepStrictEqual(
        entries.map(({ outcome, reason, change_sha256 }) => [outcome, reason, change_sha256]),
        [
          ["failed", "tasker.rejected", null],
          ["denied", "grant.no_grant", null],
          ["dry_run", null, null],
          ["failed", "input.invalid", null]
        ]
      )
    })
  )

  it.effect("say how the card stood when the change was planned, and nothing of it once it is settled", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const asked = { issue_id: issueId, priority: "high", idempotency_key: "kept-while-in-doubt" }
      const row = Effect.map(
        db<{ before: unknown }>`
          select before from idempotency_keys
          where agent_id = ${agent.agentId} and key = 'kept-while-in-doubt'`,
        ([found]) => found?.before
      )
      yield* tasker.fault({ op: "update", fault: "cut_after" })
      yield* outcome(call(agent, "tasker_update_issue", asked))
      assert.deepStrictEqual(yield* row, { priority: "none" })
      yield* call(agent, "tasker_update_issue", asked)
      assert.isNull(yield* row)
    })
  )

  it.effect("go after CHANGE_RETENTION_DAYS also of a write that nobody has settled", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const doubtful = (key: string) =>
        Effect.andThen(
          tasker.fault({ op: "update", fault: "cut_after" }),
          outcome(
            call(agent, "tasker_update_issue", { issue_id: issueId, priority: "high", idempotency_key: key })
          )
        )
      const age = (key: string, days: number) => db`
        update idempotency_keys set state = 'unresolved', look_at = null, next_look = null,
          created_at = created_at - ${days}::integer * interval '1 day'
        where agent_id = ${agent.agentId} and key = ${key}`
      const left = Effect.map(
        db<{ key: string }>`
          select key from idempotency_keys where agent_id = ${agent.agentId} and before is not null`,
        (rows) => rows.map(({ key }) => key)
      )
      yield* doubtful("in-doubt-too-long")
      yield* age("in-doubt-too-long", 90)
      yield* doubtful("in-doubt-so-far")
      yield* age("in-doubt-so-far", 89)
      yield* Effect.scoped(
        Effect.andThen(
          Layer.build(Reaper.layer),
          eventually(
            "what is old is gone",
            Effect.map(left, (keys) => !keys.includes("in-doubt-too-long"))
          )
        )
      )
      assert.deepStrictEqual(yield* left, ["in-doubt-so-far"])
      // It can still be settled; of what stood before, nobody knows any more.
      const again = { issue_id: issueId, priority: "high", idempotency_key: "in-doubt-too-long" }
      assert.strictEqual(yield* outcome(call(agent, "tasker_update_issue", again)), "done")
      const settled = (yield* told(agent, "in-doubt-too-long")).find(({ outcome }) => outcome === "executed")
      assert.deepStrictEqual([settled?.change, settled?.change_sha256], [null, null])
    })
  )

  it.effect("go after CHANGE_RETENTION_DAYS, and their hash stays", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const change = (key: string, priority: string) =>
        call(agent, "tasker_update_issue", { issue_id: issueId, priority, idempotency_key: key })
      yield* change("long-ago", "low")
      yield* change("just-now", "high")
      const age = (key: string, days: number) => db`
        update changes c set created_at = created_at - ${days}::integer * interval '1 day'
        from audit_events e
        where e.id = c.event_id and e.agent_id = ${agent.agentId} and e.idempotency_key = ${key}`
      yield* age("long-ago", 89)
      assert.isNotNull((yield* changedBy(agent, "long-ago")).change)
      yield* age("long-ago", 1)
      // Gone for its reader at that instant, and from the table when the reaper comes.
      const [entry] = yield* told(agent, "long-ago")
      assert.isNull(entry?.change)
      assert.match(entry?.change_sha256 ?? "", /^[0-9a-f]{64}$/)
      const left = Effect.map(
        db<{ key: string }>`
          select e.idempotency_key as key from changes c join audit_events e on e.id = c.event_id
          where e.agent_id = ${agent.agentId} and e.action = 'tasker_update_issue'`,
        (rows) => rows.map(({ key }) => key)
      )
      yield* Effect.scoped(
        Effect.andThen(
          Layer.build(Reaper.layer),
          eventually(
            "what is old is gone",
            Effect.map(left, (keys) => !keys.includes("long-ago"))
          )
        )
      )
      assert.deepStrictEqual(yield* left, ["just-now"])
    })
  )
})
