import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { tools } from "../../src/tools/registry.ts"
import { clients, connected } from "../support/sdk-clients.ts"
import { administer, auditOf, newAgent, ReferenceTasker, served } from "../support/served.ts"
import { story, trail } from "../support/story.ts"

/** Clients that are not ours do the whole job: the official SDK's first line, and its second in both eras. */

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("the SDK's client", (it) => {
  it.effect.each(clients)("$client does the whole story in $revision", ({ connect, revision }) =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const { project } = yield* tasker.project()
      const { id: project_id, workspace_slug } = project
      const agent = yield* newAgent([{ project_id, workspace_slug, scopes: allScopes }])
      const client = yield* connected(connect, agent.token)
      assert.strictEqual(client.revision, revision)
      assert.include(client.instructions, "idempotency_key")
      assert.deepStrictEqual(
        yield* client.tools,
        tools.map(({ name }) => name)
      )
      const before = (yield* tasker.writes).length
      const setting = {
        workspaceSlug: project.workspace_slug,
        projectId: project.id,
        elsewhere: randomUUID()
      }
      yield* story(setting, client.call)
      assert.strictEqual((yield* tasker.writes).length - before, 7)
      const events = (yield* auditOf(agent.id)).filter(({ via }) => via === "mcp")
      assert.deepStrictEqual(
        events.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason ?? ""}`.trim()).reverse(),
        trail
      )
    })
  )

  it.effect.each(clients)("$client is told so when its token is revoked under way", ({ connect }) =>
    Effect.gen(function* () {
      const agent = yield* newAgent([])
      const client = yield* connected(connect, agent.token)
      assert.deepStrictEqual(yield* client.tools, ["tasker_get_session"])
      yield* administer(`/api/v1/agents/${agent.id}/tokens/${agent.tokenId}`, { method: "DELETE" })
      const failure = yield* Effect.flip(Effect.catchDefect(client.tools, (defect) => Effect.fail(defect)))
      assert.match(String(failure), /401|unauthorized|revoked/i)
    })
  )
})
