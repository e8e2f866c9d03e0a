import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import { eventually, keyRow, outcome, refusal, writesUnder } from "../support/evidence.ts"
import { layer as gateway, layerWith, operate } from "../support/http.ts"
import { asOperator, create, historyOf, lost, settle, twins } from "../support/operations.ts"
import { call, World } from "../support/world.ts"
import { writeRows } from "../support/writes.ts"

const comment = writeRows.find(({ op }) => op === "comment") ?? create
const move = writeRows.find(({ op }) => op === "move") ?? create
const makings = [create, comment]
const no = { outcome: "not_executed", note: "Nothing on the board" }
const forced = { ...no, force: true }

layer(gateway, { timeout: "10 minutes", excludeTestServices: true })(
  "an owner's decision that a write was not made",
  (it) => {
    it.effect.each(makings.map((row) => [row.tool, row] as const))(
      "about %s is refused, forced or not, if Tasker has what it made, which the refusal names",
      ([, row]) =>
        Effect.gen(function* () {
          const { actor } = yield* World
          const one = yield* lost(yield* actor(), row)
          const [made] = yield* writesUnder(one.agent, one.key)
          for (const decision of [no, forced]) {
            const { body, status } = yield* settle(one.operation.id, decision)
            assert.deepStrictEqual([status, body.code], [409, "request.conflict"])
            assert.strictEqual(body.issue_id, made?.issue_id)
            assert.strictEqual(body.comment_id, made?.comment_id ?? undefined)
            assert.include(body.detail, String(made?.comment_id ?? made?.issue_id))
          }
          const { body } = yield* operate(`${asOperator}/${one.operation.id}`)
          assert.strictEqual(body.operation.status, "unresolved")
        })
    )

    it.effect("about a change is refused if the card stands as it asked, unless it is forced", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), move)
        const { body, status } = yield* settle(one.operation.id, no)
        assert.deepStrictEqual([status, body.code, body.issue_id], [409, "request.conflict", one.issueId])
        const decided = yield* settle(one.operation.id, forced)
        assert.deepStrictEqual([decided.status, decided.body.operation.status], [200, "not_executed"])
        assert.include(
          yield* historyOf(one.operation.id),
          "admin operation.settled executed operation.forced"
        )
      })
    )

    it.effect.each(writeRows.map((row) => [row.tool, row] as const))(
      "about %s is refused while Tasker can't be asked, unless it is forced, which is on record",
      ([, row]) =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const one = yield* lost(yield* actor(), row, { fault: "cut_before" })
          yield* tasker.fault({ op: "any", fault: "server_error", times: "forever" })
          for (const [, path] of twins) {
            const { body, status } = yield* settle(one.operation.id, no, path)
            assert.deepStrictEqual([status, body.code], [503, "tasker.unavailable"])
            assert.include(body.detail, "`force: true`")
          }
          const decided = yield* settle(one.operation.id, forced)
          assert.deepStrictEqual([decided.status, decided.body.operation.status], [200, "not_executed"])
          yield* tasker.heal
          assert.deepStrictEqual((yield* historyOf(one.operation.id)).slice(1), [
            "admin operation.settled failed tasker.unavailable",
            "admin operation.settled failed tasker.unavailable",
            "admin operation.settled executed operation.forced",
            `admin ${row.tool} failed operation.not_executed`
          ])
        })
    )

    it.effect("about a comment is refused if Tasker lists no comments, unless it is forced", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const one = yield* lost(yield* actor(), comment, { fault: "cut_before" })
        yield* tasker.switches({ no_comments_listing: true })
        const { body, status } = yield* settle(one.operation.id, no)
        assert.deepStrictEqual([status, body.code], [409, "request.conflict"])
        assert.strictEqual((yield* settle(one.operation.id, forced)).status, 200)
        yield* tasker.heal
      })
    )

    it.effect("about a change of a card that Tasker does not show is refused, unless it is forced", () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const one = yield* lost(yield* actor(), move, { fault: "cut_before" })
        yield* tasker.send("DELETE", `/issues/${one.issueId}`)
        const { body, status } = yield* settle(one.operation.id, no)
        assert.deepStrictEqual([status, body.code], [409, "request.conflict"])
        assert.strictEqual((yield* settle(one.operation.id, forced)).status, 200)
      })
    )

    it.effect("is not on record as forced if Tasker shows that nothing was made", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor(), create, { fault: "cut_before" })
        assert.strictEqual((yield* settle(one.operation.id, forced)).status, 200)
        assert.include(yield* historyOf(one.operation.id), "admin operation.settled executed")
      })
    )

    it.effect("may be forced under a key that was used before, where an earlier write may have made it", () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const one = yield* lost(yield* actor())
        const { database } = yield* World
        yield* database`update idempotency_keys set reused = true where id = ${one.operation.id}::uuid`
        assert.strictEqual((yield* settle(one.operation.id, no)).status, 409)
        assert.strictEqual((yield* settle(one.operation.id, forced)).status, 200)
      })
    )
  }
)

/** As if the last request under a key had been sent so long ago. */
const aged = (id: string, interval: string) =>
  Effect.flatMap(
    World,
    ({ database }) => database`
      update idempotency_keys set sent_until = sent_until - ${interval}::interval where id = ${id}::uuid`
  )

/** As by default. */
const patience = { TASKER_SETTLE_AFTER_MS: "30000" }

layer(layerWith(patience), { timeout: "10 minutes", excludeTestServices: true })(
  "a key that its owner freed right after a request was sent",
  (it) => {
    for (const row of writeRows) {
      it.effect(`sends nothing for ${row.op} before that request is assumed dead`, () =>
        Effect.gen(function* () {
          const { actor, tasker } = yield* World
          const one = yield* lost(yield* actor(), row, { fault: "cut_before" })
          assert.strictEqual((yield* settle(one.operation.id, no)).status, 200)
          const sent = Effect.map(
            tasker.requests,
            (requests) => requests.filter(({ op }) => op === row.op).length
          )
          const before = yield* sent
          const again = call(one.agent, row.tool, one.asked)
          const failure = yield* refusal(again)
          assert.strictEqual(codeOf(failure), "idempotency.in_progress")
          assert.isTrue(failure.retryable)
          const seconds = Number(failure.details.retry_after_seconds)
          assert.isTrue(seconds > 5 && seconds <= 30, `it says ${seconds} s`)
          assert.strictEqual(yield* sent, before)
          const { database } = yield* World
          const rows = yield* database`
            select from idempotency_keys where agent_id = ${one.agent.agentId} and key = ${one.key}`
          assert.lengthOf(rows, 1)
          yield* aged(one.operation.id, "31 seconds")
          assert.strictEqual(yield* outcome(again), "done")
          assert.lengthOf(yield* writesUnder(one.agent, one.key), 1)
        })
      )
    }

    it.effect("waits also if an instance of an earlier version reserved it, which left no time", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        const one = yield* lost(yield* actor(), create, { fault: "cut_before" })
        yield* database`update idempotency_keys set sent_until = null where id = ${one.operation.id}::uuid`
        yield* settle(one.operation.id, no)
        const again = outcome(call(one.agent, create.tool, one.asked))
        assert.strictEqual(yield* again, "idempotency.in_progress")
        yield* aged(one.operation.id, "31 seconds")
        assert.strictEqual(yield* again, "done")
      })
    )

    it.effect("waits also for a call whose reservation began before the decision was committed", () =>
      Effect.gen(function* () {
        const { actor, database } = yield* World
        // Planned at once: its first statement is the reservation.
        const simple = { ...create, args: () => ({ name: "Planned at once" }) }
        const one = yield* lost(yield* actor(), simple, { fault: "cut_before" })
        const isDecided = yield* Deferred.make<void>()
        const [told] = yield* Effect.all(
          [
            Effect.andThen(Deferred.await(isDecided), outcome(call(one.agent, create.tool, one.asked))),
            database.withTransaction(
              Effect.gen(function* () {
                yield* database`
                  update idempotency_keys set state = 'not_executed', fence = fence + 1, intent = null,
                    before = null, look_at = null, settled_at = now()
                  where id = ${one.operation.id}::uuid`
                yield* Deferred.succeed(isDecided, undefined)
                yield* eventually(
                  "the reservation waits for the decision",
                  Effect.map(
                    database`select from pg_locks where locktype = 'transactionid' and not granted`,
                    (rows) => rows.length > 0
                  )
                )
              })
            )
          ],
          { concurrency: 2 }
        )
        assert.strictEqual(told, "idempotency.in_progress")
        assert.strictEqual((yield* keyRow(one.agent, one.key))?.state, "not_executed")
        assert.lengthOf(yield* writesUnder(one.agent, one.key), 0)
      })
    )
  }
)

layer(layerWith({ ...patience, DUPLICATE_WINDOW_MINUTES: "15" }), {
  timeout: "10 minutes",
  excludeTestServices: true
})("a key that its owner freed", (it) => {
  it.effect("takes neither a title nor a write of the day while it waits", () =>
    Effect.gen(function* () {
      const { actor, database } = yield* World
      const agent = yield* actor(undefined, { maxWrites: 9 })
      const one = yield* lost(agent, create, { fault: "cut_before" })
      yield* settle(one.operation.id, no)
      const counted = Effect.map(
        database<{ writes: number }>`
            select w.writes from grant_writes w join grants g on g.id = w.grant_id
            where g.agent_id = ${agent.agentId}`,
        ([row]) => row?.writes
      )
      const before = yield* counted
      yield* outcome(call(agent, create.tool, one.asked))
      assert.strictEqual(yield* counted, before)
      const titles = yield* database`
          select from recent_titles where agent_id = ${agent.agentId} and operation_id <> (
            select id from idempotency_keys where agent_id = ${agent.agentId} and key = ${`card-of-${one.key}`}
          )`
      assert.lengthOf(titles, 0)
    })
  )
})
