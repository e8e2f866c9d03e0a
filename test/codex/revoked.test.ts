import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { administer, auditOf } from "../support/served.ts"
import { codexOf, holding } from "./Codex.ts"
import { newcomer, place, writesOf } from "./Place.ts"
import { nothing } from "./scripts.ts"

/** How an owner takes an agent's access away while it works. */
const ways = [
  {
    whose: "token is revoked",
    reason: "auth.revoked",
    take: (agentId: string, tokenId: string) =>
      administer(`/api/v1/agents/${agentId}/tokens/${tokenId}`, { method: "DELETE" })
  },
  {
    whose: "agent is disabled",
    reason: "auth.agent_disabled",
    take: (agentId: string) =>
      administer(`/api/v1/agents/${agentId}`, { method: "PATCH", body: { status: "disabled" } })
  }
]

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex whose", (it) => {
  it.effect.each(ways)(
    "$whose in the middle is told so clearly, and writes nothing any more",
    ({ reason, take }) =>
      Effect.gen(function* () {
        const { agent, project } = yield* newcomer
        const codex = yield* codexOf(agent)
        const card = (n: number) => ({
          project_id: project.id,
          name: `Card ${n}`,
          idempotency_key: `codex:taken-away-${n}`
        })
        const { how, said } = yield* codex.exec(
          "Make cards.",
          ({ use }) =>
            Effect.gen(function* () {
              yield* use("tasker_create_issue", card(1))
              yield* take(agent.id, agent.tokenId)
              const refused = yield* use("tasker_create_issue", card(2))
              assert.include(refused.text, "Authentication required")
              // Nor is it told what it did before.
              const repeated = yield* use("tasker_create_issue", card(1))
              assert.include(repeated.text, "Authentication required")
              return "I may not do that any more."
            }),
          holding(agent)
        )
        assert.strictEqual(how, 0, said)
        assert.strictEqual(said.split("mcp: tasker/tasker_create_issue (completed)").length - 1, 1, said)
        assert.strictEqual(said.split("mcp: tasker/tasker_create_issue (failed)").length - 1, 2, said)
        assert.strictEqual((yield* writesOf(agent.id)).length, 1)
        const denied = (yield* auditOf(agent.id)).filter(({ outcome }) => outcome === "denied")
        assert.isAtLeast(denied.length, 2)
        for (const event of denied) assert.deepInclude(event, { reason, via: "mcp" })

        const later = yield* codex.exec("Make cards.", nothing, holding(agent))
        assert.strictEqual(later.how, 1, later.said)
        assert.include(later.said, "required MCP servers failed to initialize: tasker")
      })
  )
})
