import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { launch, script } from "../support/programs.ts"
import { administer, ReferenceTasker, Served, served } from "../support/served.ts"

/** The smokes as commands against a Tasker that is not of their own making, named as a real one is. */

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("the smokes", (it) => {
  it.effect("do the whole story through both doors in the project of the Tasker that is named", () =>
    Effect.gen(function* () {
      const tasker = yield* ReferenceTasker
      const { databaseUrl, internalToken } = yield* Served
      const { project } = yield* tasker.project({
        members: [{ id: "mila", display_name: "Mila", email: "mila@example.test", role: 20 }]
      })
      const env = {
        NODE_ENV: "development",
        LOG_LEVEL: "silent",
        NODEDC_TASKER_INTERNAL_URL: tasker.url,
        NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
        DATABASE_URL: databaseUrl,
        SMOKE_WORKSPACE_SLUG: project.workspace_slug,
        SMOKE_PROJECT_ID: project.id,
        SMOKE_OWNER_USER_ID: "mila",
        SMOKE_OWNER_EMAIL: "mila@example.test"
      }
      const commands = ["e2e", "mcp:e2e"].map((name) =>
        Effect.gen(function* () {
          const smoke = yield* launch(script("ops/smoke.ts", name), { env })
          assert.strictEqual(yield* smoke.ended, 0, smoke.said())
          assert.match(smoke.said(), /1 passed/)
        })
      )
      yield* Effect.all(commands, { concurrency: 2 })
      assert.strictEqual((yield* tasker.writes).length, 14)
      const { agents } = yield* administer("/api/internal/v1/owners/mila/agents")
      assert.strictEqual(agents.length, 2)
    })
  )
})
