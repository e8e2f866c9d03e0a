import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { auditOf } from "../support/served.ts"
import { PlaneSmoke, layer as smoke } from "../support/smoke-plane.ts"
import { story, trail } from "../support/story.ts"
import { call } from "../support/tool-calls.ts"

/** `npm run smoke:plane`: the tools over MCP, through to a Plane by its public REST API. */

layer(smoke, { timeout: "10 minutes", excludeTestServices: true })("an agent before Plane", (it) => {
  it.effect("does its job on a project's board, once, and leaves it in the trail", () =>
    Effect.gen(function* () {
      const { agent, discard, setting } = yield* PlaneSmoke
      const { issueId } = yield* story(setting, (name, args) => call("mcp", agent.token, name, args))
      const left = yield* discard(issueId)
      assert.isUndefined(left, "what the run made is deleted")
      const events = (yield* auditOf(agent.id)).filter(({ via }) => via === "mcp")
      assert.deepStrictEqual(
        events.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason ?? ""}`.trim()).reverse(),
        trail
      )
    })
  )
})
