import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { makeDecide } from "../../src/calls/decide.ts"
import type { OperationId } from "../../src/domain/Ids.ts"
import { upstreamKey } from "../../src/domain/Operation.ts"
import { Operations } from "../../src/services/Operations.ts"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { Texts } from "../../src/services/Texts.ts"
import { outcome, trail, writesUnder } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, act, call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

const unknown = "tasker.outcome_unknown"

/** Something else than what was asked that stands in Tasker under the very key of a write. */
const foreign = (agent: Actor, key: string, path: string, body: object) =>
  Effect.gen(function* () {
    const { tasker } = yield* World
    const mine = upstreamKey(agent.agentId, key)
    const reply = yield* Effect.promise(() =>
      fetch(`${tasker.url}/api/internal/nodedc/agent${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${tasker.accessToken}`,
          "content-type": "application/json",
          "x-nodedc-agent-id": agent.agentId,
          "x-nodedc-owner-id": owner.id,
          "idempotency-key": mine
        },
        body: JSON.stringify({
          project_id: agent.project.project.id,
          external_source: "nodedc-agent-gateway",
          external_id: mine,
          actor: {
            agent_id: agent.agentId,
            agent_display_name: "Test Codex",
            owner_user_id: owner.id,
            owner_email: owner.email
          },
          ...body
        })
      })
    )
    assert.strictEqual(reply.status, 201)
  })

layer(world, { timeout: "10 minutes", excludeTestServices: true })(
  "what stands under our key in Tasker",
  (it) => {
    for (const switches of [{}, { dedupe_key: false }]) {
      const manner = JSON.stringify(switches)

      it.effect(`is no answer if an earlier write of a released key made it (Tasker ${manner})`, () =>
        Effect.gen(function* () {
          const { actor, database, tasker } = yield* World
          const agent = yield* actor()
          yield* tasker.switches(switches)
          const key = "released-and-reused"
          const create = (description: string) =>
            outcome(
              call(agent, "tasker_create_issue", { name: "One name", description, idempotency_key: key })
            )
          yield* tasker.fault({ op: "create", fault: "cut_after" })
          assert.strictEqual(yield* create("The first text"), unknown)
          // Its owner thinks that it was not made, while Tasker can't show it.
          const decide = makeDecide(yield* Operations, { tasker: yield* TaskerAdapter, texts: yield* Texts })
          const [row] = yield* database<{ id: OperationId }>`
            update idempotency_keys set state = 'unresolved', look_at = null
            where agent_id = ${agent.agentId} and key = ${key} returning id`
          yield* tasker.fault({ op: "list", fault: "server_error", times: "forever" })
          yield* decide(act, row?.id as OperationId, {
            outcome: "not_executed",
            note: "Not seen",
            force: true
          })
          yield* tasker.heal
          yield* tasker.switches(switches)
          assert.strictEqual(yield* create("Another text"), unknown)
          assert.lengthOf(yield* writesUnder(agent, key), 1)
        })
      )

      it.effect(`is never an answer where it is another card (Tasker ${manner})`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          yield* tasker.switches(switches)
          yield* foreign(agent, "taken-card", "/issues", { name: "Not what was asked" })
          const again = outcome(
            call(agent, "tasker_create_issue", { name: "Mine", idempotency_key: "taken-card" })
          )
          assert.strictEqual(yield* again, unknown)
          assert.strictEqual(yield* again, unknown)
          assert.lengthOf(yield* writesUnder(agent, "taken-card"), 1)
          assert.deepStrictEqual(yield* trail(agent, "taken-card"), [
            `unknown ${unknown}`,
            `unknown ${unknown}`
          ])
          yield* tasker.heal
        })
      )

      it.effect(`is never an answer where it is another comment (Tasker ${manner})`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const agent = yield* actor()
          yield* tasker.switches(switches)
          const issueId = yield* card(agent)
          yield* foreign(agent, "taken-comment", `/issues/${issueId}/comments`, {
            comment_html: "<p>Not what was asked</p>"
          })
          const again = outcome(
            call(agent, "tasker_add_comment", {
              issue_id: issueId,
              comment: "Mine",
              idempotency_key: "taken-comment"
            })
          )
          assert.strictEqual(yield* again, unknown)
          assert.strictEqual(yield* again, unknown)
          yield* tasker.heal
        })
      )
    }
  }
)
