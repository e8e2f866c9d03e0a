import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { tools } from "../../src/tools/registry.ts"
import { auditOf } from "../support/served.ts"
import { Smoke, layer as smoke } from "../support/smoke.ts"
import { story, trail } from "../support/story.ts"
import { call, post } from "../support/tool-calls.ts"

/** `npm run smoke:mcp:e2e`: the tools over MCP, with replay, through to a Tasker. */

layer(smoke, { timeout: "10 minutes", excludeTestServices: true })("an agent over MCP", (it) => {
  it.effect("shakes hands, lists its tools, and does its job in Tasker", () =>
    Effect.gen(function* () {
      const { agent, setting } = yield* Smoke
      const { token } = agent
      const hello = yield* post(token, "initialize", {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo: { name: "smoke", version: "1.0.0" }
      })
      assert.strictEqual(hello.json.result.protocolVersion, "2025-06-18")
      const listed = yield* post(token, "tools/list")
      assert.deepStrictEqual(
        listed.json.result.tools.map(({ name }: { name: string }) => name),
        tools.map(({ name }) => name)
      )
      yield* story(setting, (name, args) => call("mcp", token, name, args))
      const events = (yield* auditOf(agent.id)).filter(({ via }) => via === "mcp")
      assert.deepStrictEqual(
        events.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason ?? ""}`.trim()).reverse(),
        trail
      )
    })
  )
})
