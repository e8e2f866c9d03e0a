import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { keyRow, outcome } from "../support/evidence.ts"
import { act, call, grantTerms, World, withVariables } from "../support/world.ts"

const day = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * day).toISOString()

/** A gateway whose grants have to end. The adapter for it is never asked here. */
const ending = withVariables({
  TASKER_KIND: "plane",
  PLANE_BASE_URL: "http://127.0.0.1:1",
  PLANE_API_KEYS: "unused"
})

/** An agent with a grant that was made while no end was demanded. */
const oldAgent = Effect.gen(function* () {
  const { actor, database } = yield* World
  const agent = yield* actor(allScopes, { expiresAt: inDays(1) })
  return {
    agent,
    endless: database`update grants set expires_at = null where agent_id = ${agent.agentId}`,
    distant: database`update grants set expires_at = now() + interval '31 days' where agent_id = ${agent.agentId}`
  }
})

layer(ending, { timeout: "10 minutes", excludeTestServices: true })(
  "a gateway that demands an end of grants",
  (it) => {
    it.effect("refuses a grant without an end or with a distant one, and takes one within 30 days", () =>
      Effect.gen(function* () {
        const registry = yield* AgentRegistry
        const { agent } = yield* oldAgent
        const grant = (expiresAt: string | null) =>
          Effect.match(
            registry.grant(act, agent.agentId, grantTerms(agent.project, allScopes, null, expiresAt)),
            {
              onFailure: (failure) => `${failure.kind}.${failure.reason}`,
              onSuccess: () => "granted"
            }
          )
        assert.strictEqual(yield* grant(null), "input.invalid")
        assert.strictEqual(yield* grant(inDays(30.1)), "input.invalid")
        assert.strictEqual(yield* grant(inDays(29.9)), "granted")
      })
    )

    it.effect("serves no grant that has no end or ends later, and reserves no key under it", () =>
      Effect.gen(function* () {
        const { agent, distant, endless } = yield* oldAgent
        for (const spoil of [endless, distant]) {
          yield* spoil
          const create = outcome(
            call(agent, "tasker_create_issue", { name: "Under no grant", idempotency_key: "under-no-grant" })
          )
          assert.strictEqual(yield* create, "grant.grant_expired")
          assert.isUndefined(yield* keyRow(agent, "under-no-grant"))
          assert.strictEqual(yield* outcome(call(agent, "tasker_list_issues", {})), "grant.grant_expired")
        }
      })
    )
  }
)
