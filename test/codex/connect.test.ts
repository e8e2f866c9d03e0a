import { stat } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { administer } from "../support/served.ts"
import { freshCodex, ready } from "./Codex.ts"
import { newcomer, pairing, place, writesOf } from "./Place.ts"
import { nothing, oneCard } from "./scripts.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex", (it) => {
  it.effect(
    "connected by the one line makes a card, nothing else being set, and is as it was after --remove",
    () =>
      Effect.gen(function* () {
        const { agent, project } = yield* newcomer
        const codex = yield* freshCodex
        const before = yield* codex.config
        const { shell: line } = (yield* pairing(agent.id)).connect

        const connected = yield* codex.run(["sh", "-c", line])
        assert.strictEqual(connected.how, 0, connected.said)
        assert.include(connected.said, "the server 'tasker' was added to")
        const config = yield* codex.config
        assert.isTrue(config.startsWith(before), config)
        const [, token = ""] = /Authorization = "Bearer (ndcat_\w+)"/.exec(config) ?? []
        assert.notStrictEqual(token, "")
        assert.notInclude(connected.said, token)
        const { mode } = yield* Effect.promise(() => stat(join(codex.home, "config.toml")))
        assert.strictEqual(mode & 0o777, 0o600)

        const worked = yield* codex.exec("Make a card.", oneCard(project.id), ready)
        assert.strictEqual(worked.how, 0, worked.said)
        assert.include(worked.said, `Made ${project.identifier}-1.`)
        assert.notInclude(worked.said, token)
        assert.strictEqual((yield* writesOf(agent.id)).length, 1)

        const again = yield* codex.run(["sh", "-c", line])
        assert.notStrictEqual(again.how, 0, again.said)
        assert.strictEqual(yield* codex.config, config)

        const removed = yield* codex.run(["sh", "-c", line.replace(/-- \S+$/, "-- --remove")])
        assert.strictEqual(removed.how, 0, removed.said)
        assert.strictEqual(yield* codex.config, before)
        const listed = yield* codex.run(["codex", "mcp", "list"])
        assert.include(listed.said, "No MCP servers configured")
      })
  )

  it.effect("connected anew by another code has one server still", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* freshCodex
      for (const n of [1, 2]) {
        const connected = yield* codex.run(["sh", "-c", (yield* pairing(agent.id)).connect.shell])
        assert.strictEqual(connected.how, 0, `${n}: ${connected.said}`)
      }
      const config = yield* codex.config
      assert.strictEqual(config.split("[mcp_servers.tasker]").length - 1, 1, config)
      const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id), ready)
      assert.strictEqual(how, 0, said)
      assert.include(said, `Made ${project.identifier}-1.`)
    })
  )

  it.effect("whose code was cancelled is told so, and starts as it was", () =>
    Effect.gen(function* () {
      const { agent } = yield* newcomer
      const codex = yield* freshCodex
      const before = yield* codex.config
      const path = `/api/v1/agents/${agent.id}/pairing-codes`
      const { connect, id } = yield* administer(path, { body: {} })
      yield* administer(`${path}/${id}`, { method: "DELETE" })
      const refused = yield* codex.run(["sh", "-c", connect.shell])
      assert.notStrictEqual(refused.how, 0, refused.said)
      assert.include(refused.said, "cancelled")
      assert.strictEqual(yield* codex.config, before)
      const { how, said } = yield* codex.exec("Make a card.", nothing)
      assert.strictEqual(how, 0, said)
      assert.notInclude(said, "tasker/")
    })
  )
})
