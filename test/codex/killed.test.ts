import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "../support/database.ts"
import { ReferenceTasker } from "../support/served.ts"
import { until } from "../torture/crash/until.ts"
import { codexOf, holding } from "./Codex.ts"
import { GatewayProcess, newcomer, outcomesOf, place, writesOf } from "./Place.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex on a gateway", (it) => {
  it.effect("that is killed (-9) in the middle of a write and started again has one card of it", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const tasker = yield* ReferenceTasker
      const gateway = yield* GatewayProcess
      const codex = yield* codexOf(agent)
      const isMade = Effect.map(writesOf(agent.id), ({ length }) => length === 1)
      const { how, said } = yield* codex.exec(
        "Make a card.",
        ({ use }) =>
          Effect.gen(function* () {
            const make = use("tasker_create_issue", {
              project_id: project.id,
              name: "Survives",
              idempotency_key: "codex:survives"
            })
            // Tasker makes it at once and is slow to say so: that is when the gateway dies.
            yield* tasker.fault({ op: "create", fault: "delay_after", delay_ms: 3000 })
            const dying = Effect.andThen(until("Tasker has made the card", isMade), gateway.kill)
            const [broken] = yield* Effect.all([make, dying], { concurrency: "unbounded" })
            assert.include(broken.text, "tool call failed for `tasker/tasker_create_issue`")

            yield* gateway.start
            const early = yield* make
            assert.strictEqual(early.json.error.reason, "in_progress")
            assert.isTrue(early.json.error.retryable)

            // As if the time had passed that the dead gateway's lease lasts.
            yield* query`
              update idempotency_keys set lease_until = now() - interval '1 second'
              where agent_id = ${agent.id} and key = 'codex:survives' and state = 'in_progress'`
            let settled = yield* make
            // The gateway's own recovery may be at it just then.
            for (let n = 0; settled.json.error?.reason === "in_progress" && n < 20; n++) settled = yield* make
            assert.isUndefined(settled.json.error, settled.text)
            const [write] = yield* writesOf(agent.id)
            assert.strictEqual(settled.json.issue.id, write?.issue_id)
            return `It is ${settled.json.issue.identifier}.`
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.include(said, "mcp: tasker/tasker_create_issue (failed)\ntool call error: tool call failed")
      assert.include(said, "mcp: tasker/tasker_create_issue (completed)")
      assert.include(said, `It is ${project.identifier}-1.`)
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      const outcomes = yield* outcomesOf(agent.id, "tasker_create_issue")
      assert.strictEqual(outcomes.filter((outcome) => outcome === "executed").length, 1, String(outcomes))
    })
  )
})
