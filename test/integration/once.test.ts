import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ProjectId } from "../../src/domain/Ids.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { act, call, grantTerms, World, layer as world } from "../support/world.ts"
import { card, unlisted, writeRows } from "../support/writes.ts"

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a write", (it) => {
  it("is tested with every write tool there is", () => assert.deepStrictEqual(unlisted, []))

  for (const { tool, args, others } of writeRows) {
    it.effect(`is made once by ${tool}, and each repeat is given its answer to the letter`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `once-${tool}` }
        const first = yield* call(agent, tool, asked)
        assert.isFalse(first.replayed)
        assert.deepStrictEqual(first.structured.warnings, [])
        for (let repeat = 0; repeat < 3; repeat++) {
          const again = yield* call(agent, tool, asked)
          assert.deepStrictEqual(again, {
            structured: { ...first.structured, replayed: true },
            replayed: true
          })
        }
        assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
        assert.deepStrictEqual(yield* trail(agent, asked.idempotency_key), [
          "executed",
          "replayed",
          "replayed",
          "replayed"
        ])
      })
    )

    it.effect(`of ${tool} keeps its key from standing for other arguments`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `other-${tool}`
        yield* call(agent, tool, { ...args(issueId), idempotency_key: key })
        const failure = yield* refusal(call(agent, tool, { ...others(issueId), idempotency_key: key }))
        assert.strictEqual(failure.reason, "key_reused")
        assert.isFalse(failure.retryable)
        assert.include(failure.message, tool)
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.deepStrictEqual(yield* trail(agent, key), ["executed", "denied idempotency.key_reused"])
      })
    )
  }

  it.effect("keeps its key from standing for another tool", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issueId = yield* card(agent)
      const key = "one-tool-only"
      yield* call(agent, "tasker_set_labels", { issue_id: issueId, labels: [], idempotency_key: key })
      assert.strictEqual(
        yield* outcome(
          call(agent, "tasker_set_assignees", { issue_id: issueId, assignees: [], idempotency_key: key })
        ),
        "idempotency.key_reused"
      )
    })
  )

  it.effect("keeps its key from standing for another project", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      const second = yield* tasker.project()
      yield* registry.grant(act, agent.agentId, grantTerms(second, allScopes))
      const asked = { name: "In one project", idempotency_key: "one-project-only" }
      yield* call(agent, "tasker_create_issue", asked)
      const elsewhere = { ...asked, project_id: second.project.id as ProjectId }
      assert.strictEqual(
        yield* outcome(call(agent, "tasker_create_issue", elsewhere)),
        "idempotency.key_reused"
      )
      assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
    })
  )

  it.effect("has nothing to do with another agent's under the same key", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const [one, two] = [yield* actor(), yield* actor()]
      const asked = { name: "Ours and theirs", idempotency_key: "the-same-key" }
      assert.strictEqual(yield* outcome(call(one, "tasker_create_issue", asked)), "done")
      assert.strictEqual(yield* outcome(call(two, "tasker_create_issue", asked)), "done")
      assert.lengthOf(yield* writesUnder(one, asked.idempotency_key), 1)
      assert.lengthOf(yield* writesUnder(two, asked.idempotency_key), 1)
    })
  )

  it.effect(
    "is the same one whichever of an agent's tokens repeats it, and however its arguments are spelt",
    () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const registry = yield* AgentRegistry
        const agent = yield* actor()
        const { token } = yield* registry.issueToken(act, agent.agentId, { name: "second", expires_at: null })
        const key = "two-tokens"
        yield* call(agent, "tasker_create_issue", { name: "Once", priority: "low", idempotency_key: key })
        const again = { idempotency_key: key, dry_run: false, priority: "low", name: "Once" }
        assert.strictEqual(
          yield* outcome(call({ ...agent, token }, "tasker_create_issue", again)),
          "replayed"
        )
        assert.lengthOf(yield* writesUnder(agent, key), 1)
      })
  )

  it.effect("that no plan can be made of uses no key up", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const key = "after-a-bad-plan"
      const asked = { name: "Of nowhere", idempotency_key: key }
      assert.strictEqual(
        yield* outcome(call(agent, "tasker_create_issue", { ...asked, state: "Nowhere" })),
        "input.unknown_reference"
      )
      assert.strictEqual(
        yield* outcome(
          call(agent, "tasker_create_issue", {
            ...asked,
            start_date: "2026-02-01",
            target_date: "2026-01-01"
          })
        ),
        "input.invalid"
      )
      assert.isUndefined(yield* keyRow(agent, key))
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "done")
      assert.deepStrictEqual(yield* trail(agent, key), [
        "failed input.unknown_reference",
        "failed input.invalid",
        "executed"
      ])
    })
  )

  it.effect("whose call is not one of a live token is refused as such before its arguments are judged", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      const { token, info } = yield* registry.issueToken(act, agent.agentId, {
        name: "dead",
        expires_at: null
      })
      yield* registry.revokeToken(act, agent.agentId, info.id)
      const backwards = { name: "Backwards", start_date: "2026-02-01", target_date: "2026-01-01" }
      const asked = { ...backwards, idempotency_key: "dead-and-wrong" }
      assert.strictEqual(
        yield* outcome(call({ ...agent, token }, "tasker_create_issue", asked)),
        "auth.revoked"
      )
      const ungranted = yield* actor(["issue:read"])
      assert.strictEqual(yield* outcome(call(ungranted, "tasker_create_issue", asked)), "grant.scope_missing")
    })
  )
})
