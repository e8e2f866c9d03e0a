import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { meanwhile, outcome } from "../support/evidence.ts"
import { layer as gateway } from "../support/http.ts"
import { create, lost, mine, settle } from "../support/operations.ts"
import { act, call, grantTerms, sql, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })(
  "an agent that asks of its key",
  (it) => {
    it.effect("is told what became of it, from under way to settled", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const statusOf = (key: string) => Effect.map(mine(agent, key), ({ body }) => body.operation.status)
        const asked = { name: "Slow", idempotency_key: "under-way" }
        const [, during] = yield* meanwhile(
          "create",
          outcome(call(agent, "tasker_create_issue", asked)),
          statusOf("under-way")
        )
        assert.strictEqual(during, "in_progress")
        assert.strictEqual(yield* statusOf("under-way"), "executed")
        yield* lost(agent, create, { key: "in-doubt-1", state: "unknown" })
        assert.strictEqual(yield* statusOf("in-doubt-1"), "in_progress")
        const given = yield* lost(agent, create, { key: "given-up-1", fault: "cut_before" })
        assert.strictEqual(yield* statusOf("given-up-1"), "unresolved")
        yield* settle(given.operation.id, { outcome: "not_executed", note: "It is not on the board" })
        const { body } = yield* mine(agent, "given-up-1")
        assert.deepStrictEqual(
          [body.operation.status, body.operation.reason],
          ["not_executed", "It is not on the board"]
        )
        yield* (yield* sql)`
        update idempotency_keys set answer = null, expired_at = now()
        where agent_id = ${agent.agentId} and key = 'under-way'`
        assert.strictEqual(yield* statusOf("under-way"), "expired")
      })
    )

    it.effect("is told which card and which comment it made", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const issueId = yield* card(agent, "a-card-of-its-own")
        const made = (yield* mine(agent, "a-card-of-its-own")).body.operation
        assert.strictEqual(made.issue_id, issueId)
        assert.match(made.issue_identifier, /^OPS\d+-\d+$/)
        const { structured } = yield* call(agent, "tasker_add_comment", {
          issue_id: issueId,
          comment: "Done",
          idempotency_key: "a-comment-1"
        })
        const { operation } = (yield* mine(agent, "a-comment-1")).body
        assert.deepStrictEqual(
          [operation.issue_id, operation.comment_id],
          [issueId, (structured as { comment: { id: string } }).comment.id]
        )
      })
    )

    it.effect("is told of a key that never came, was refused, or is another's, that it may be sent", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const [agent, another] = [yield* actor(), yield* actor()]
        yield* card(another, "somebody-elses")
        yield* tasker.fault({ op: "create", fault: "refuse" })
        const refused = { name: "No", idempotency_key: "refused-1" }
        assert.strictEqual(yield* outcome(call(agent, "tasker_create_issue", refused)), "tasker.rejected")
        yield* call(agent, "tasker_create_issue", { ...refused, idempotency_key: "dry-run-1", dry_run: true })
        for (const key of ["never-sent", "somebody-elses", "refused-1", "dry-run-1", "x".repeat(128)]) {
          const { body, status } = yield* mine(agent, key)
          assert.deepStrictEqual([key, status, body.code], [key, 404, "request.not_found"])
          assert.include(body.detail, "may be sent")
        }
        for (const key of ["short", "x".repeat(129), "not/a/key", "née-en-1999"]) {
          const { body, status } = yield* mine(agent, key)
          assert.deepStrictEqual([key, status, body.code], [key, 404, "request.not_found"])
          assert.notInclude(body.detail, "may be sent")
        }
      })
    )

    it.effect("is told of the write that stands, not of an earlier one that was not made", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), create, { fault: "cut_before" })
        yield* settle(one.operation.id, { outcome: "not_executed", note: "No" })
        assert.strictEqual((yield* mine(one.agent, one.key)).body.operation.id, one.operation.id)
        yield* call(one.agent, create.tool, one.asked)
        const { operation } = (yield* mine(one.agent, one.key)).body
        assert.notStrictEqual(operation.id, one.operation.id)
        assert.strictEqual(operation.status, "executed")
        // Whichever of the two is newer: the live one counts.
        yield* (yield* sql)`
        update idempotency_keys set created_at = now() + interval '1 minute'
        where id = ${one.operation.id}::uuid`
        assert.strictEqual((yield* mine(one.agent, one.key)).body.operation.id, operation.id)
      })
    )

    it.effect.each(["revoked", "expired"] as const)(
      "is told the status and nothing of the card where its grant is %s",
      (end) =>
        Effect.gen(function* () {
          const { actor } = yield* World
          const registry = yield* AgentRegistry
          const agent = yield* actor()
          const row = writeRows.find(({ op }) => op === "comment") ?? create
          const one = yield* lost(agent, row)
          yield* settle(one.operation.id, { outcome: "executed", note: "On the secret card" })
          yield* card(agent, "before-the-end")
          if (end === "revoked") {
            const { grants } = yield* registry.getAgent(undefined, agent.agentId)
            for (const { id } of grants) yield* registry.revokeGrant(act, agent.agentId, id)
          } else {
            yield* (yield* sql)`
            update grants set expires_at = now() - interval '1 second' where agent_id = ${agent.agentId}`
          }
          for (const key of [one.key, "before-the-end"]) {
            const { operation } = (yield* mine(agent, key)).body
            assert.deepInclude(operation, {
              status: "executed",
              issue_id: null,
              issue_identifier: null,
              comment_id: null,
              reason: null,
              project_id: agent.project.project.id
            })
          }
          yield* registry.grant(act, agent.agentId, grantTerms(agent.project, ["project:read"]))
          const { operation } = (yield* mine(agent, one.key)).body
          assert.deepStrictEqual([operation.issue_id, operation.reason], [one.issueId, "On the secret card"])
        })
    )
  }
)
