import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { keyRow, meanwhile, outcome } from "../support/evidence.ts"
import { type Answer, layer as gateway, operate } from "../support/http.ts"
import { asOperator, asOwner, create, historyOf, lost, settle, twins } from "../support/operations.ts"
import { owner } from "../support/tasker.ts"
import { call, sql, World } from "../support/world.ts"
import { card, writeRows } from "../support/writes.ts"

const move = writeRows.find(({ op }) => op === "move") ?? create

const refused = ({ body, status }: Answer) => [status, body.code, body.errors?.[0]?.path]

/** That a refusal changed nothing, and is on record. */
const untouched = Effect.fnUntraced(function* (id: string, tool: string, ...codes: ReadonlyArray<string>) {
  const { body } = yield* operate(`${asOperator}/${id}`)
  assert.strictEqual(body.operation.status, "unresolved")
  assert.deepStrictEqual(yield* historyOf(id), [
    `mcp ${tool} unknown tasker.outcome_unknown`,
    ...codes.map((code) => `admin operation.settled failed ${code}`)
  ])
})

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })("a decision is refused", (it) => {
  it.effect("about a write that is under way, which says when to come back", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const decide = Effect.gen(function* () {
        const row = yield* keyRow(agent, "under-way")
        return yield* settle(row?.id ?? "", { outcome: "not_executed", note: "No" })
      })
      const [done, during] = yield* meanwhile(
        "create",
        outcome(call(agent, "tasker_create_issue", { name: "Slow", idempotency_key: "under-way" })),
        decide
      )
      assert.deepStrictEqual(refused(during), [409, "request.conflict", undefined])
      assert.isTrue(during.body.retryable)
      assert.strictEqual(during.headers.get("retry-after"), "5")
      assert.strictEqual(done, "done")
    })
  )

  it.effect("where its card lies in another project, or nowhere", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      const elsewhere = yield* card(yield* actor())
      for (const issue_id of [elsewhere, randomUUID()]) {
        for (const [, path] of twins) {
          const answer = yield* settle(
            one.operation.id,
            { outcome: "executed", issue_id, note: "This" },
            path
          )
          assert.deepStrictEqual(refused(answer), [403, "grant.wrong_project", undefined])
        }
      }
      yield* untouched(one.operation.id, create.tool, ...Array(4).fill("grant.wrong_project"))
    })
  )

  it.effect("where the write was about another card", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor(), move)
      const issue_id = yield* card(one.agent, "another-card")
      const answer = yield* settle(one.operation.id, { outcome: "executed", issue_id, note: "This" })
      assert.deepStrictEqual(refused(answer), [422, "input.invalid", "issue_id"])
      assert.include(answer.body.detail, one.issueId)
      yield* untouched(one.operation.id, move.tool, "input.invalid")
    })
  )

  it.effect("where another write of the agent made that card", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      const answer = yield* settle(one.operation.id, {
        outcome: "executed",
        issue_id: one.issueId,
        note: "This"
      })
      assert.deepStrictEqual(refused(answer), [422, "input.invalid", "issue_id"])
      const other = yield* keyRow(one.agent, `card-of-${one.key}`)
      assert.include(answer.body.detail, other?.id)
      yield* untouched(one.operation.id, create.tool, "input.invalid")
    })
  )

  it.effect("while Tasker can't be asked about the card", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const one = yield* lost(yield* actor(), move)
      yield* tasker.fault({ op: "list", fault: "server_error", times: "forever" })
      const answer = yield* settle(one.operation.id, { outcome: "executed", note: "Seen" })
      assert.deepStrictEqual(refused(answer), [503, "tasker.unavailable", undefined])
      yield* untouched(one.operation.id, move.tool, "tasker.unavailable")
      yield* tasker.heal
    })
  )

  it.effect.each([
    ["no outcome", { note: "x" }, "outcome"],
    ["an outcome that is none", { outcome: "unknown", note: "x" }, "outcome"],
    ["no note", { outcome: "executed" }, "note"],
    ["an empty note", { outcome: "executed", note: "" }, "note"],
    ["a blank note", { outcome: "executed", note: " \n\t" }, "note"],
    ["a note that is too long", { outcome: "executed", note: "🦊".repeat(1001) }, "note"],
    ["a note with what nobody can see", { outcome: "executed", note: "No\u202ehtyna" }, "note"],
    ["a note with a control character", { outcome: "executed", note: "a\u0007b" }, "note"],
    ["a card that is no id", { outcome: "executed", issue_id: "OPS-12", note: "x" }, "issue_id"],
    [
      "a card of what was not made",
      { outcome: "not_executed", issue_id: randomUUID(), note: "x" },
      "issue_id"
    ],
    ["a force that is none", { outcome: "not_executed", note: "x", force: "yes" }, "force"],
    ["what was made forced", { outcome: "executed", note: "x", force: true }, "force"],
    ["a field that there is not", { outcome: "executed", note: "x", forced: true }, "forced"]
  ] as const)("with %s", ([, body, field]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      for (const [, path] of twins) {
        const answer = yield* operate(`${path}/${one.operation.id}/settle`, { body })
        assert.deepStrictEqual(refused(answer), [422, "input.invalid", field])
      }
      yield* untouched(one.operation.id, create.tool, "input.invalid", "input.invalid")
    })
  )

  it.effect("without a body that can be read", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor())
      const answers = yield* Effect.all([
        settle(one.operation.id, "{"),
        settle(one.operation.id, '{"outcome":"executed","outcome":"not_executed","note":"x"}'),
        settle(one.operation.id, '{"outcome":"executed","note":"a\\u0000b"}'),
        settle(one.operation.id, '{"outcome":"executed","note":"a\\ud800"}'),
        operate(`${asOperator}/${one.operation.id}/settle`, {
          body: "outcome=executed",
          headers: { "content-type": "application/x-www-form-urlencoded" }
        })
      ])
      assert.deepStrictEqual(
        answers.map(({ body }) => body.code),
        [...Array(4).fill("request.malformed"), "request.media_type"]
      )
      const codes = answers.map(({ body }) => body.code)
      yield* untouched(one.operation.id, create.tool, ...codes)
    })
  )

  it.effect("where its note holds an agent token, which is kept nowhere", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const db = yield* sql
      const one = yield* lost(yield* actor())
      const token = Redacted.value(one.agent.token)
      for (const note of [`It was ${token} who did it`, `nd\u200bcat_${token.slice(6)}`]) {
        const answer = yield* settle(one.operation.id, { outcome: "executed", note }, asOwner(owner.id))
        assert.strictEqual(answer.status, 422)
        assert.notInclude(JSON.stringify(answer.body), token)
      }
      const rows = yield* db`
        select from idempotency_keys k where k::text like ${`%${token.slice(6)}%`}
        union all select from audit_events e where e::text like ${`%${token.slice(6)}%`}`
      assert.lengthOf(rows, 0)
      yield* untouched(one.operation.id, create.tool, "input.holds_secret", "input.invalid")
    })
  )

  it.effect("takes 1000 characters of note, whatever they take in memory, and lines of it", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const one = yield* lost(yield* actor(), create, { fault: "cut_before" })
      const note = `${"🦊".repeat(998)}\r\n`
      const { body, status } = yield* settle(one.operation.id, { outcome: "not_executed", note })
      assert.deepStrictEqual([status, body.operation.reason], [200, note])
    })
  )
})
