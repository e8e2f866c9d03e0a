import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { keyRow, meanwhile, outcome, trail, writesUnder } from "../support/evidence.ts"
import { owner, type TaskerControl } from "../support/tasker.ts"
import { type Actor, call, strict, World, layer as world } from "../support/world.ts"
import { card, type WriteRow, writeRows } from "../support/writes.ts"

const seat = (tasker: TaskerControl, actor: Actor, active: boolean) =>
  tasker.send("POST", "/members", { ...owner, project_id: actor.project.project.id, active })

/** The faults by which Tasker refuses and does nothing. */
const refusals = [
  { code: "tasker.rejected", fault: "refuse" },
  { code: "tasker.rate_limited", fault: "rate_limit" },
  { code: "tasker.unauthorized", fault: "unauthorized" }
]

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a definite refusal by Tasker", (it) => {
  for (const { tool, op, args, others } of writeRows) {
    for (const { code, fault } of refusals) {
      it.effect(`as ${code} frees the key of ${tool}`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const key = `refused-${tool}`
          yield* tasker.fault({ op, fault, retry_after: 0 })
          assert.strictEqual(
            yield* outcome(call(agent, tool, { ...args(issueId), idempotency_key: key })),
            code
          )
          assert.isUndefined(yield* keyRow(agent, key))
          assert.lengthOf(yield* writesUnder(agent, key), 0)
          // Free means free: also for something else.
          assert.strictEqual(
            yield* outcome(call(agent, tool, { ...others(issueId), idempotency_key: key })),
            "done"
          )
          assert.lengthOf(yield* writesUnder(agent, key), 1)
          assert.deepStrictEqual(yield* trail(agent, key), [`failed ${code}`, "executed"])
        })
      )
    }

    it.effect(`frees the key of ${tool} where the owner loses the seat in the project`, () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const key = `seatless-${tool}`
        const asked = { ...args(issueId), idempotency_key: key }
        const [code] = yield* meanwhile(op, outcome(call(agent, tool, asked)), seat(tasker, agent, false))
        assert.strictEqual(code, "grant.owner_not_member")
        assert.isUndefined(yield* keyRow(agent, key))
        yield* seat(tasker, agent, true)
        assert.strictEqual(yield* outcome(call(agent, tool, asked)), "done")
        assert.lengthOf(yield* writesUnder(agent, key), 1)
        assert.deepStrictEqual(yield* trail(agent, key), ["denied grant.owner_not_member", "executed"])
      })
    )

    if (op === "create" || op === "comment") continue

    it.effect(`frees the key of ${tool} where the card is deleted under its feet`, () =>
      deletedMeanwhile({ args, op, tool }, "tasker.not_found")
    )
  }
})

/** Deletes the card between the plan of a write and its sending. */
const deletedMeanwhile = Effect.fnUntraced(function* (
  { args, op, tool }: Pick<WriteRow, "args" | "op" | "tool">,
  told: string
) {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  const issueId = yield* card(agent)
  const key = `deleted-${tool}`
  const [code] = yield* meanwhile(
    op,
    outcome(call(agent, tool, { ...args(issueId), idempotency_key: key })),
    tasker.send("DELETE", `/issues/${issueId}`)
  )
  assert.strictEqual(code, told)
  assert.isUndefined(yield* keyRow(agent, key))
  assert.deepStrictEqual(yield* trail(agent, key), [`failed ${told}`])
})

const comment = writeRows.find(({ op }) => op === "comment") as WriteRow

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "a comment on a deleted card",
  (it) => {
    it.effect("is refused with 404 by a strict Tasker, and its key is free", () =>
      deletedMeanwhile(comment, "tasker.not_found")
    )
  }
)

layer(world, { timeout: "10 minutes", excludeTestServices: true })(
  "a comment on a deleted card, as Plane has it",
  (it) => {
    it.effect("is told as not found by the same call, and its key is free", () =>
      deletedMeanwhile(comment, "tasker.not_found")
    )

    it.effect("is in doubt if the look fails, and told by the next call", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent)
        const asked = { ...comment.args(issueId), idempotency_key: "deleted-unseen" }
        const again = outcome(call(agent, comment.tool, asked))
        yield* tasker.fault({ op: "list_comments", fault: "server_error", times: "forever" })
        const [code] = yield* meanwhile(comment.op, again, tasker.send("DELETE", `/issues/${issueId}`))
        assert.strictEqual(code, "tasker.outcome_unknown")
        yield* tasker.heal
        assert.strictEqual(yield* again, "tasker.not_found")
        assert.isUndefined(yield* keyRow(agent, "deleted-unseen"))
      })
    )
  }
)

layer(world, { timeout: "10 minutes", excludeTestServices: true })(
  "Plane's sentence `The payload is not valid`",
  (it) => {
    const unclear = {
      fault: "proxied",
      status: 400,
      content_type: "application/json",
      body: JSON.stringify({ error: "The payload is not valid" })
    }

    for (const { args, op, tool } of writeRows.filter(({ op }) => ["create", "comment"].includes(op))) {
      it.effect(`about a ${op} that was executed is told as done by the same call`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const key = `unclear-done-${op}`
          yield* tasker.fault({ op, ...unclear, carried_out: true })
          const again = outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
          assert.strictEqual(yield* again, "done")
          assert.strictEqual(yield* again, "replayed")
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
      )

      it.effect(`about a ${op} that was not executed is told as rejected by the same call`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          const issueId = yield* card(agent)
          const key = `unclear-refused-${op}`
          yield* tasker.fault({ op, ...unclear, carried_out: false })
          const again = outcome(call(agent, tool, { ...args(issueId), idempotency_key: key }))
          assert.strictEqual(yield* again, "tasker.rejected")
          assert.isUndefined(yield* keyRow(agent, key))
          assert.strictEqual(yield* again, "done")
        })
      )
    }
  }
)

layer(strict.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "a refusal by a Tasker that checks expected_updated_at",
  (it) => {
    for (const { tool, op, args } of writeRows.filter(({ op }) => !["create", "comment"].includes(op))) {
      it.effect(
        `frees the key of ${tool} where somebody changes the card first and the caller forbade it`,
        () =>
          Effect.gen(function* () {
            const { actor, tasker } = yield* World
            const agent = yield* actor()
            const issueId = yield* card(agent)
            const seen = yield* call(agent, "tasker_get_issue", { issue_id: issueId })
            const { updated_at } = (seen.structured as { issue: { updated_at: string } }).issue
            const key = `conflict-${tool}`
            const asked = { ...args(issueId), expected_updated_at: updated_at, idempotency_key: key }
            const [code] = yield* meanwhile(
              op,
              outcome(call(agent, tool, asked)),
              tasker.send("PATCH", `/issues/${issueId}`, { priority: "urgent" })
            )
            assert.strictEqual(code, "tasker.conflict")
            assert.isUndefined(yield* keyRow(agent, key))
            assert.lengthOf(yield* writesUnder(agent, key), 0)
            assert.deepStrictEqual(yield* trail(agent, key), ["failed tasker.conflict"])
          })
      )
    }
  }
)
