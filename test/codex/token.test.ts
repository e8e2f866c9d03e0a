import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codexOf, freshCodex, holding, ready, setupOf, tokenVariable } from "./Codex.ts"
import { newcomer, place, writesOf } from "./Place.ts"
import { nothing, oneCard } from "./scripts.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex", (it) => {
  it.effect("with the setup packet's config.toml as it is makes a card", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* codexOf(agent)
      const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id), holding(agent))
      assert.strictEqual(how, 0, said)
      assert.include(said, "mcp: tasker/tasker_create_issue (completed)")
      assert.include(said, `Made ${project.identifier}-1.`)
      assert.notInclude(said, agent.token)
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
    })
  )

  it.effect("with the setup packet's command lists the server and makes a card", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* freshCodex
      const { codex_add_command } = yield* setupOf(agent)
      const added = yield* codex.run(["sh", "-c", codex_add_command], holding(agent).env)
      assert.strictEqual(added.how, 0, added.said)
      assert.include(added.said, "Added global MCP server 'tasker'.")
      const listed = yield* codex.run(["codex", "mcp", "list"], holding(agent).env)
      assert.match(listed.said, /tasker .*\/mcp .*enabled .*Bearer token/)
      const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id), {
        ...holding(agent),
        ...ready
      })
      assert.strictEqual(how, 0, said)
      assert.include(said, `Made ${project.identifier}-1.`)
    })
  )

  it.effect("without the variable that holds its token does not start, and names the variable", () =>
    Effect.gen(function* () {
      const { agent } = yield* newcomer
      const codex = yield* codexOf(agent)
      const { how, said } = yield* codex.exec("Make a card.", nothing)
      assert.strictEqual(how, 1, said)
      assert.include(
        said,
        `required MCP servers failed to initialize: tasker: Environment variable ${tokenVariable}`
      )
      assert.strictEqual((yield* writesOf(agent.id)).length, 0)
    })
  )

  it.effect("with a token that is none does not start, and says what is wrong with it", () =>
    Effect.gen(function* () {
      const { agent } = yield* newcomer
      const codex = yield* codexOf(agent)
      const { how, said } = yield* codex.exec("Make a card.", nothing, {
        env: { [tokenVariable]: "ndcat_nonsense" }
      })
      assert.strictEqual(how, 1, said)
      assert.include(said, "required MCP servers failed to initialize: tasker")
      assert.include(said, "The bearer token is malformed")
    })
  )
})
