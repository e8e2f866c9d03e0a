import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { outcome, writesUnder } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

layer(world, { timeout: "10 minutes", excludeTestServices: true })("what is read while settling", (it) => {
  for (const { args, op, tool } of writeRows) {
    for (const fault of ["cut_before", "cut_after"]) {
      it.effect(`${op} after ${fault} is read without an Idempotency-Key`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const asked = { ...args(issueId), idempotency_key: `looked-${op}` }
          yield* tasker.fault({ op, fault })
          assert.strictEqual(yield* outcome(call(agent, tool, asked)), "tasker.outcome_unknown")
          const before = (yield* tasker.requests).length
          assert.strictEqual(yield* outcome(call(agent, tool, asked)), "done")
          const settling = (yield* tasker.requests).slice(before)
          const looks = settling.filter(({ method }) => method === "GET")
          assert.isNotEmpty(looks)
          for (const { headers } of looks) assert.notProperty(headers, "idempotency-key")
          for (const { headers } of settling.filter(({ method }) => method !== "GET")) {
            assert.match(headers["idempotency-key"] ?? "", /^[0-9a-f]{64}$/)
          }
        })
      )
    }
  }

  for (const fault of ["cut_before", "cut_after"]) {
    it.effect(`finds a comment among 46 of 200 KB each, or that it is not there (${fault})`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const comment_html = `<p>${"Words and words. ".repeat(12_000)}</p>`
        yield* Effect.forEach(
          Array.from({ length: 46 }),
          () => tasker.send("POST", `/issues/${issue_id}/comments`, { author_id: owner.id, comment_html }),
          { concurrency: 8 }
        )
        // Nothing but the listing may tell: a Tasker that recognises no repeat would comment twice.
        yield* tasker.switches({ dedupe_key: false, dedupe_external: fault === "cut_before" })
        const asked = { issue_id, comment: "The last word", idempotency_key: "after-many" }
        yield* tasker.fault({ op: "comment", fault })
        assert.strictEqual(yield* outcome(call(agent, "tasker_add_comment", asked)), "tasker.outcome_unknown")
        assert.strictEqual(yield* outcome(call(agent, "tasker_add_comment", asked)), "done")
        assert.lengthOf(yield* writesUnder(agent, "after-many"), 1)
        yield* tasker.heal
      })
    )
  }
})
