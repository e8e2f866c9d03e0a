import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { auditOf, send } from "../support/served.ts"
import { Smoke, layer as smoke } from "../support/smoke.ts"
import { story, trail } from "../support/story.ts"
import { call } from "../support/tool-calls.ts"

/** `npm run smoke:e2e`: the tools over REST, with replay, through to a Tasker. */

layer(smoke, { timeout: "10 minutes", excludeTestServices: true })("an agent over REST", (it) => {
  it.effect("finds out who it is, and does its job in Tasker", () =>
    Effect.gen(function* () {
      const { agent, setting } = yield* Smoke
      const { token } = agent
      const ready = yield* send("/readyz")
      assert.deepStrictEqual(ready.json.checks, { database: "ok", migrations: "ok", tasker: "ok" })
      const session = yield* send("/api/v1/agent-session", { token })
      assert.strictEqual(session.json.agent.id, agent.id)
      assert.strictEqual(session.json.grants[0].project_id, setting.projectId)
      const { issueId, run } = yield* story(setting, (name, args) => call("rest", token, name, args))

      const key = `story:comment:${run}`
      const text = {
        project_id: setting.projectId,
        issue_id: issueId,
        comment: `It is **under way**: ${run}`
      }
      const again = yield* call("rest", token, "tasker_add_comment", text, { "idempotency-key": key })
      assert.isTrue(again.content.replayed)
      assert.strictEqual(again.reply.headers["idempotent-replayed"], "true")

      const events = (yield* auditOf(agent.id)).filter(({ via }) => via === "rest")
      assert.deepStrictEqual(
        events.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason ?? ""}`.trim()).reverse(),
        [...trail, "tasker_add_comment replayed"]
      )
    })
  )
})
