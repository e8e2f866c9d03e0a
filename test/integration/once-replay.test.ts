import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, outcome, trail, writesUnder } from "../support/evidence.ts"
import { type Actor, act, call, grantTerms, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

const regrant = (agent: Actor, scopes: ReadonlyArray<Scope>) =>
  Effect.flatMap(AgentRegistry, (registry) =>
    registry.grant(act, agent.agentId, grantTerms(agent.project, scopes))
  )

const scopeOf: Readonly<Record<string, Scope>> = {
  create: "issue:create",
  update: "issue:update",
  move: "issue:move",
  comment: "comment:create",
  labels: "label:set",
  assignees: "assignee:set"
}

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a replay", (it) => {
  for (const { tool, op, args } of writeRows) {
    it.effect(`of ${tool} asks Tasker nothing, so it is had while Tasker is down`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `replay-${op}` }
        const first = yield* call(agent, tool, asked)
        const requests = (yield* tasker.requests).length
        yield* tasker.fault({ op: "any", fault: "cut_before", times: "forever" })
        const again = yield* call(agent, tool, asked)
        assert.deepStrictEqual(again.structured, { ...first.structured, replayed: true })
        assert.lengthOf(yield* tasker.requests, requests)
        yield* tasker.heal
      })
    )

    it.effect(`of ${tool} shows what the scopes of now allow, not those of then`, () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const asked = { ...args(yield* card(agent)), idempotency_key: `narrow-${op}` }
        const first = yield* call(agent, tool, asked)
        yield* regrant(agent, [scopeOf[op] as Scope])
        const narrow = yield* call(agent, tool, asked)
        if (op === "comment") {
          assert.deepStrictEqual(narrow.structured, { ...first.structured, replayed: true })
        } else {
          const wrote = Object.keys(asked).filter((name) => name !== "issue_id" && name !== "idempotency_key")
          const { issue } = narrow.structured as { issue: object }
          assert.hasAllKeys(issue, ["id", "identifier", "updated_at", "url", ...wrote])
        }
        yield* regrant(agent, ["issue:read", "project:read"])
        assert.strictEqual(yield* outcome(call(agent, tool, asked)), "grant.scope_missing")
        yield* regrant(agent, [scopeOf[op] as Scope, "issue:read"])
        assert.deepStrictEqual((yield* call(agent, tool, asked)).structured, {
          ...first.structured,
          replayed: true
        })
        assert.lengthOf(yield* writesUnder(agent, asked.idempotency_key), 1)
      })
    )
  }

  const asked = { name: "Shown once", idempotency_key: "shown-once" }

  it.effect("is not had with a token that was revoked", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* call(agent, "tasker_create_issue", asked)
      const { tokens } = yield* registry.getAgent(undefined, agent.agentId)
      yield* Effect.forEach(tokens, ({ id }) => registry.revokeToken(act, agent.agentId, id))
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "auth.revoked")
      // The key is the agent's, not the token's.
      const { token } = yield* registry.issueToken(act, agent.agentId, { name: "new", expires_at: null })
      assert.strictEqual(yield* outcome(call({ ...agent, token }, "tasker_create_issue", asked)), "replayed")
      assert.deepStrictEqual(yield* trail(agent, asked.idempotency_key), [
        "executed",
        "denied auth.revoked",
        "replayed"
      ])
    })
  )

  it.effect("is not had with a token that has expired", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor()
      yield* call(agent, "tasker_create_issue", asked)
      yield* database`update tokens set expires_at = now() where agent_id = ${agent.agentId}`
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "auth.expired")
    })
  )

  it.effect("is not had by an agent that is disabled", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* call(agent, "tasker_create_issue", asked)
      yield* registry.updateAgent(act, agent.agentId, { status: "disabled" })
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "auth.agent_disabled")
      yield* registry.updateAgent(act, agent.agentId, { status: "active" })
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "replayed")
    })
  )

  it.effect("is not had under a grant that has expired or was revoked", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const registry = yield* AgentRegistry
      const agent = yield* actor()
      yield* call(agent, "tasker_create_issue", asked)
      yield* database`update grants set expires_at = now() where agent_id = ${agent.agentId}`
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "grant.grant_expired")
      const { grants } = yield* registry.standing(undefined, agent.agentId)
      yield* Effect.forEach(grants, ({ id }) => registry.revokeGrant(act, agent.agentId, id))
      assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", asked)), "grant.no_grant")
      assert.strictEqual((yield* keyRow(agent, asked.idempotency_key))?.state, "executed")
    })
  )
})
