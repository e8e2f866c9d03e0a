import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type AnsweringProxy, answeringProxy } from "../support/answering-proxy.ts"
import { keyRow, outcome, refusal, trail, writesUnder } from "../support/evidence.ts"
import { proxyReplies } from "../support/proxy-replies.ts"
import { call, World, withVariables } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

class Proxy extends Context.Service<Proxy, AnsweringProxy>()("test/AnsweringProxy") {}

/** A gateway that reaches the reference Tasker through a proxy. */
const behindProxy = Layer.unwrap(
  Effect.map(answeringProxy, (proxy) =>
    Layer.merge(Layer.succeed(Proxy, proxy), withVariables({ NODEDC_TASKER_INTERNAL_URL: proxy.url }))
  )
)

const statuses = [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503]

layer(behindProxy, { timeout: "10 minutes", excludeTestServices: true })(
  "a write that Tasker executed and a proxy answered",
  (it) => {
    it.effect.each(statuses)("with %s is in doubt, keeps its key, and is settled as executed", (status) =>
      Effect.gen(function* () {
        const proxy = yield* Proxy
        const { actor, tasker } = yield* World
        proxy.target = tasker.url
        const agent = yield* actor()
        for (const [index, reply] of proxyReplies.entries()) {
          const { args, tool } = writeRows[index % writeRows.length] ?? assert.fail("no such row")
          const about = `${status} of ${reply.by} to ${tool}`
          const key = `answered-by-proxy-${index}`
          const issueId = yield* card(agent, `card-before-${index}`)
          const write = call(agent, tool, { ...args(issueId), idempotency_key: key })
          proxy.next = { status, reply }
          assert.strictEqual(yield* outcome(write), "tasker.outcome_unknown", about)
          assert.strictEqual((yield* keyRow(agent, key))?.state, "unknown", about)
          assert.strictEqual(yield* outcome(write), "done", about)
          assert.deepStrictEqual(
            yield* trail(agent, key),
            ["unknown tasker.outcome_unknown", "executed"],
            about
          )
          assert.lengthOf(yield* writesUnder(agent, key), 1, about)
        }
      })
    )
  }
)

layer(behindProxy, { timeout: "10 minutes", excludeTestServices: true })(
  "a write whose look-up Tasker answers with 500 for good",
  (it) => {
    it.effect("stays in doubt, says so, and keeps no other call from Tasker", () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy
        const { actor, tasker } = yield* World
        proxy.target = tasker.url
        const agent = yield* actor()
        const other = yield* actor()
        const write = call(agent, "tasker_create_issue", { name: "Doubled", idempotency_key: "poisoned-key" })
        yield* tasker.fault({ op: "create", fault: "cut_before" })
        assert.strictEqual(yield* outcome(write), "tasker.outcome_unknown")
        proxy.poisoned = true
        for (let n = 0; n < 25; n++) {
          const failure = yield* refusal(write)
          assert.deepInclude(failure, { reason: "outcome_unknown" })
          assert.include(failure.message, "Tasker fails to look up what stands under the key")
        }
        assert.strictEqual(yield* outcome(call(other, "tasker_list_issues", {})), "done")
        assert.strictEqual(yield* outcome(call(agent, "tasker_list_issues", {})), "done")
        assert.lengthOf(yield* writesUnder(agent, "poisoned-key"), 0)
      })
    )
  }
)
