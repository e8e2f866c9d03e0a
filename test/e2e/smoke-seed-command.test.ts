import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { openMembers } from "../support/open-members.ts"
import { launch, script } from "../support/programs.ts"
import { closedPort } from "../support/scripted-tasker.ts"
import { administer, ReferenceTasker, Served, served } from "../support/served.ts"

/** The end-to-end command as the README has it: these variables and no others. */

const command = script("ops/run.mjs", "ops/smoke.ts", "mcp:e2e")

const variables = Effect.gen(function* () {
  const tasker = yield* ReferenceTasker
  const { databaseUrl, internalToken } = yield* Served
  const seeded = yield* tasker.project({
    members: [
      { id: "gita", display_name: "Gita Guest", email: "gita@example.test", role: 5 },
      { id: "noor", display_name: "Noor Nameless", email: "", role: 20 },
      { id: "olaf", display_name: "Olaf Owner", email: "olaf@example.test", role: 15 }
    ]
  })
  return {
    tasker,
    env: {
      DATABASE_URL: databaseUrl,
      NODE_ENV: "development",
      LOG_LEVEL: "silent",
      NODEDC_TASKER_INTERNAL_URL: tasker.url,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
      SMOKE_WORKSPACE_SLUG: seeded.project.workspace_slug,
      SMOKE_PROJECT_ID: seeded.project.id
    }
  }
})

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("the end-to-end command", (it) => {
  it.effect(
    "the smoke acts for the first member of the project with role 15 or more and an e-mail address",
    () =>
      Effect.gen(function* () {
        const { env, tasker } = yield* variables
        const open = yield* openMembers(tasker.url, "olaf")
        const smoke = yield* launch(command, { env: { ...env, NODEDC_TASKER_INTERNAL_URL: open } })
        assert.strictEqual(yield* smoke.ended, 0, smoke.said())
        assert.match(smoke.said(), /1 passed/)
        const { agents } = yield* administer("/api/internal/v1/owners/olaf/agents")
        assert.deepStrictEqual(
          agents.map(({ owner_email }: { owner_email: string }) => owner_email),
          ["olaf@example.test"]
        )
      })
  )

  it.effect("the smoke names both variables if Tasker shows the members to a member only", () =>
    Effect.gen(function* () {
      const { env } = yield* variables
      const smoke = yield* launch(command, { env })
      assert.strictEqual(yield* smoke.ended, 1)
      assert.strictEqual(
        smoke.said(),
        "No owner could be found: Tasker shows the members of the project to a member only. Set SMOKE_OWNER_USER_ID and SMOKE_OWNER_EMAIL to a member of the project.\n"
      )
    })
  )

  it.effect("the smoke says in one line that the PostgreSQL of DATABASE_URL can't be reached", () =>
    Effect.gen(function* () {
      const { env } = yield* variables
      const port = yield* closedPort
      const url = `postgres://gateway:the-password@127.0.0.1:${port}/gateway`
      const smoke = yield* launch(command, { env: { ...env, DATABASE_URL: url } })
      assert.strictEqual(yield* smoke.ended, 1)
      assert.match(
        smoke.said(),
        /^The PostgreSQL of DATABASE_URL, 127\.0\.0\.1:\d+\/gateway, can't be used: .+\n$/
      )
      assert.notInclude(smoke.said(), "the-password")
    })
  )

  it.effect("the smoke names every variable that a real Tasker needs and that is not set", () =>
    Effect.gen(function* () {
      const { env } = yield* variables
      const smoke = yield* launch(command, { env: { SMOKE_PROJECT_ID: env.SMOKE_PROJECT_ID } })
      assert.strictEqual(yield* smoke.ended, 1)
      assert.strictEqual(
        smoke.said(),
        "NODEDC_TASKER_INTERNAL_URL is not set\nNODEDC_INTERNAL_ACCESS_TOKEN is not set\nSMOKE_WORKSPACE_SLUG is not set\n"
      )
    })
  )
})
