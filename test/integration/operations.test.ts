import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { keyRow, meanwhile, outcome } from "../support/evidence.ts"
import { type Answer, layer as gateway, operate } from "../support/http.ts"
import { asOperator, asOwner, create, historyOf, lost, settle, twins } from "../support/operations.ts"
import { owner } from "../support/tasker.ts"
import { call, sql, World } from "../support/world.ts"
import { card } from "../support/writes.ts"

const idsOf = ({ body }: Answer) => body.operations.map(({ id }: { id: string }) => id) as Array<string>

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("operations", (it) => {
  it.effect("show which write it is and what is known of it, and nothing of what was written", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agent, key, operation } = yield* lost(yield* actor(), create)
      for (const [, path] of twins) {
        const { body, status } = yield* operate(`${path}/${operation.id}`)
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(body.operation, {
          id: operation.id,
          agent_id: agent.agentId,
          tool: "tasker_create_issue",
          project_id: agent.project.project.id,
          issue_id: null,
          issue_identifier: null,
          comment_id: null,
          idempotency_key: key,
          status: "unresolved",
          reason: "It was looked at twelve times.",
          looks: 12,
          request_id: "test-request",
          created_at: operation.created_at,
          settled_at: null
        })
        assert.notInclude(JSON.stringify(body), "A new card")
      }
    })
  )

  it.effect("show what is under way, and what is in doubt, as in progress", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const asked = { name: "Slow", idempotency_key: "under-way" }
      const listing = operate(`${asOperator}?status=in_progress&agent_id=${agent.agentId}`)
      const [done, during] = yield* meanwhile(
        "create",
        outcome(call(agent, "tasker_create_issue", asked)),
        listing
      )
      assert.strictEqual(done, "done")
      assert.deepStrictEqual(
        during.body.operations.map((one: Record<string, unknown>) => [one.idempotency_key, one.status]),
        [["under-way", "in_progress"]]
      )
      const doubt = yield* lost(agent, create, { state: "unknown" })
      assert.strictEqual(doubt.operation.status, "in_progress")
      assert.deepStrictEqual(idsOf(yield* listing), [doubt.operation.id])
    })
  )

  it.effect("are listed only while they are to be settled, and shown also after that", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      const open = yield* lost(agent, create, { key: "still-open" })
      const made = yield* lost(agent, create, { key: "it-was-made" })
      const never = yield* lost(agent, create, { key: "never-made", fault: "cut_before" })
      yield* settle(made.operation.id, { outcome: "executed", note: "There it is" })
      yield* settle(never.operation.id, { outcome: "not_executed", note: "Nowhere to be seen" })
      for (const query of ["", "&status=unresolved"]) {
        const listed = yield* operate(`${asOperator}?agent_id=${agent.agentId}${query}`)
        assert.deepStrictEqual(idsOf(listed), [open.operation.id])
      }
      const statusOf = (id: string) =>
        Effect.map(operate(`${asOperator}/${id}`), ({ body }) => body.operation.status)
      assert.strictEqual(yield* statusOf(made.operation.id), "executed")
      assert.strictEqual(yield* statusOf(never.operation.id), "not_executed")

      // Older than the answer is kept: as far as anyone can tell it is gone, also before it was reaped.
      const past = db`
        update idempotency_keys set settled_at = now() - interval '73 hours'
        where id = ${made.operation.id}::uuid`
      yield* past
      assert.strictEqual(yield* statusOf(made.operation.id), "expired")
      yield* db`
        update idempotency_keys set settled_at = now(), answer = null, expired_at = now()
        where id = ${made.operation.id}::uuid`
      assert.strictEqual(yield* statusOf(made.operation.id), "expired")
    })
  )

  it.effect("are listed for one agent, newest first, page by page, without losing or repeating one", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const [agent, another] = [yield* actor(), yield* actor()]
      const made: Array<string> = []
      for (const n of [1, 2, 3, 4, 5]) {
        const state = n % 2 === 0 ? "unknown" : "unresolved"
        made.unshift((yield* lost(agent, create, { key: `page-by-page-${n}`, state })).operation.id)
      }
      yield* lost(another, create)
      for (const [, path] of twins) {
        const seen: Array<string> = []
        for (let cursor: string | null = ""; cursor !== null; ) {
          const rest: string = cursor === "" ? "" : `&cursor=${cursor}`
          const page: Answer = yield* operate(`${path}?agent_id=${agent.agentId}&limit=2${rest}`)
          seen.push(...idsOf(page))
          cursor = page.body.next_cursor
        }
        assert.deepStrictEqual(seen, made)
      }
      const unresolved = yield* operate(`${asOperator}?agent_id=${agent.agentId}&status=unresolved`)
      assert.deepStrictEqual(
        idsOf(unresolved),
        made.filter((_, n) => n % 2 === 0)
      )
    })
  )

  it.effect.each([
    ["status=executed"],
    ["status="],
    ["agent_id=x"],
    ["limit=0"],
    ["limit=101"],
    ["cursor=x"],
    ["unknown=1"],
    ["status=unresolved&status=in_progress"]
  ])("refuse a listing by %s", ([query]) =>
    Effect.gen(function* () {
      for (const [, path] of twins) {
        const { body, status } = yield* operate(`${path}?${query}`)
        assert.deepStrictEqual([status, body.code], [422, "input.invalid"])
      }
    })
  )

  it.effect("tell the history of their key, oldest first, and of no other", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const one = yield* lost(agent, create, { key: "one-of-two-keys", state: "unknown" })
      yield* outcome(call(agent, "tasker_create_issue", { name: "Other", idempotency_key: one.key }))
      yield* outcome(call(agent, "tasker_create_issue", one.asked))
      yield* outcome(call(agent, "tasker_create_issue", one.asked))
      assert.deepStrictEqual(yield* historyOf(one.operation.id), [
        "mcp tasker_create_issue unknown tasker.outcome_unknown",
        "mcp tasker_create_issue denied idempotency.key_reused",
        "mcp tasker_create_issue executed",
        "mcp tasker_create_issue replayed"
      ])
      const { body } = yield* operate(`${asOperator}/${one.operation.id}`)
      assert.isString(body.operation.issue_id)
      assert.match(body.operation.issue_identifier, /^OPS\d+-\d+$/)
      assert.notProperty(body, "truncated")
      // The card's other key has a history of its own.
      const row = yield* keyRow(agent, "card-of-one-of-two-keys")
      assert.deepStrictEqual((yield* historyOf(row?.id ?? "")).slice(0, 1), [
        "mcp tasker_create_issue executed"
      ])
    })
  )

  it.effect("say where a history is longer than what is shown of it", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const agent = yield* actor()
      yield* card(agent, "much-repeated")
      const row = yield* keyRow(agent, "much-repeated")
      yield* db`
        insert into audit_events (id, at, action, outcome, agent_id, idempotency_key, request_id, via)
        select gen_random_uuid(), now(), 'tasker_create_issue', 'replayed', ${agent.agentId}::uuid,
          'much-repeated', 'repeat-' || n, 'mcp'
        from generate_series(1, 201) as n`
      const { body } = yield* operate(`${asOperator}/${row?.id}`)
      assert.isTrue(body.truncated)
      assert.lengthOf(body.history, 200)
      assert.strictEqual(body.history.at(0).request_id, "repeat-2")
      assert.strictEqual(body.history.at(-1).request_id, "repeat-201")
    })
  )

  it.effect("of another owner's agents are not there, and are not settled", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const { agent, operation } = yield* lost(yield* actor())
      const theirs = asOwner("someone-else")
      const decision = { outcome: "not_executed", note: "Mine now" }
      const answers = yield* Effect.all([
        operate(`${theirs}/${operation.id}`),
        settle(operation.id, decision, theirs),
        operate(`${theirs}?agent_id=${agent.agentId}`),
        operate(`${asOwner("x".repeat(129))}/${operation.id}/settle`, { body: decision }),
        ...[asOperator, asOwner(owner.id)].flatMap((path) => [
          operate(`${path}/${randomUUID()}`),
          operate(`${path}/not-an-id`),
          settle(randomUUID(), decision, path),
          operate(`${path}?agent_id=${randomUUID()}`)
        ])
      ])
      for (const { body, status } of answers)
        assert.deepStrictEqual([status, body.code], [404, "request.not_found"])
      assert.deepStrictEqual(idsOf(yield* operate(theirs)), [])
      assert.deepStrictEqual(yield* historyOf(operation.id), [
        "mcp tasker_create_issue unknown tasker.outcome_unknown"
      ])
      const { body } = yield* operate(`${asOperator}/${operation.id}`)
      assert.strictEqual(body.operation.status, "unresolved")
    })
  )
})
