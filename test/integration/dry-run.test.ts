import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "../../src/domain/Scope.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, outcome, trail, writesUnder } from "../support/evidence.ts"
import { act, call, grantTerms, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

/** What a dry run may not touch: all rows of the gateway's but the trail's, counted, and what Tasker did. */
const traces = Effect.gen(function* () {
  const { database, tasker } = yield* World
  const [rows] = yield* database`
    select (select count(*) from idempotency_keys) as keys, (select count(*) from grant_writes) as counts,
      (select sum(writes) from grant_writes) as writes, (select count(*) from grants) as grants`
  return { rows, tasker: (yield* tasker.writes).length }
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a dry run", (it) => {
  for (const { tool, op, args } of writeRows) {
    it.effect(`of ${tool} shows the change, leaves no trace but its event and uses no key up`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor(undefined, { maxWrites: 5 })
        const key = `dry-${op}`
        const asked = { ...args(yield* card(agent)), idempotency_key: key }
        const before = yield* traces
        const dry = yield* call(agent, tool, { ...asked, dry_run: true })
        assert.isFalse(dry.replayed)
        assert.hasAllKeys(dry.structured, ["dry_run", "change"])
        const { change } = dry.structured as { change: { before: object | null; after: object } }
        assert.hasAllKeys(change, ["before", "after"])
        if (op === "create" || op === "comment") assert.isNull(change.before)
        else assert.sameMembers(Object.keys(change.before ?? {}), Object.keys(change.after))
        assert.deepStrictEqual(yield* traces, before)
        assert.deepStrictEqual(yield* trail(agent, key), ["dry_run"])
        assert.isUndefined(yield* keyRow(agent, key))

        assert.strictEqual(yield* outcome(call(agent, tool, asked)), "done")
        assert.deepStrictEqual(yield* trail(agent, key), ["dry_run", "executed"])
        // Nor does one after the write answer from what the key stands for.
        const after = yield* call(agent, tool, { ...asked, dry_run: true })
        assert.isTrue(after.structured.dry_run)
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
    )

    it.effect(`of ${tool} says nothing of how the card stands to an agent that may not read it`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const registry = yield* AgentRegistry
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const blind = allScopes.filter((scope: Scope) => scope !== "issue:read")
        yield* registry.grant(act, agent.agentId, grantTerms(agent.project, blind))
        const dry = yield* call(agent, tool, {
          ...args(issueId),
          idempotency_key: `blind-${op}`,
          dry_run: true
        })
        assert.hasAllKeys(dry.structured.change, ["after"])
      })
    )

    it.effect(`of ${tool} is refused for all that the write itself would be refused for`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const stranger = yield* actor(["issue:read", "project:read"])
        const asked = { ...args(yield* card(agent)), idempotency_key: `refused-${op}`, dry_run: true }
        assert.strictEqual(yield* outcome(call(stranger, tool, asked)), "grant.scope_missing")
        const elsewhere = { ...asked, project_id: stranger.project.project.id }
        assert.strictEqual(yield* outcome(call(agent, tool, elsewhere)), "grant.no_grant")
        if (op === "create") return
        const other = yield* actor()
        assert.strictEqual(yield* outcome(call(other, tool, asked)), "grant.wrong_project")
        assert.deepStrictEqual(yield* trail(other, asked.idempotency_key), ["denied grant.wrong_project"])
      })
    )
  }

  it.effect("of tasker_create_issue without a state shows the state that the card is then made in", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const asked = { name: "A card", idempotency_key: "dry-default-state" }
      const dry = yield* call(agent, "tasker_create_issue", { ...asked, dry_run: true })
      const { after } = dry.structured.change as { after: { state: unknown } }
      const { issue } = (yield* call(agent, "tasker_create_issue", asked)).structured as {
        issue: { state: unknown }
      }
      assert.isNotNull(after.state)
      assert.deepStrictEqual(after.state, issue.state)
    })
  )
})
