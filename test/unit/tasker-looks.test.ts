import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { codeOf } from "../../src/domain/Failure.ts"
import type { CommentMark, Mark } from "../../src/domain/Tasker.ts"
import type { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { type Heard, json, type Script, scripted, withAdapter } from "../support/scripted-tasker.ts"
import {
  api,
  context,
  issue,
  issueId,
  otherIssueId,
  projectId,
  upstreamKey,
  who
} from "../support/tasker-api.ts"

const move = api.find(({ name }) => name === "moveIssue") ?? assert.fail("no such call")
const mark: Mark = { project_id: projectId, external_id: upstreamKey }
const commentMark: CommentMark = { ...mark, issue_id: issueId }
const another = { ...who, agent: { ...who.agent, id: randomUUID() as typeof who.agent.id } }

const list = (...results: ReadonlyArray<unknown>) => ({
  results,
  next_cursor: null,
  total_count: results.length
})
const isLookUp = ({ path }: Heard) => path.includes("external_id=") || path.includes("/comments?")
const isContext = ({ path }: Heard) => path.endsWith("/context")

/** Fails for good at look-ups, as Plane does if two cards stand under one `external_id`, and answers all else. */
const poisoned =
  (newest: unknown = list()): Script =>
  (socket, heard) =>
    (isLookUp(heard) ? json(500, {}) : json(200, isContext(heard) ? context : newest))(socket, heard)

const looks: ReadonlyArray<
  readonly [string, (tasker: TaskerAdapter["Service"]) => Effect.Effect<{ readonly _tag: string }, unknown>]
> = [
  ["a card", (tasker) => tasker.findIssue(who, mark)],
  ["a comment", (tasker) => tasker.findComment(who, commentMark)]
]

describe("a look-up that Tasker answers with 500", () => {
  it.live.each(looks)("for %s is that write's trouble if Tasker answers another call", ([, look]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: poisoned() })
      assert.strictEqual((yield* withAdapter(tasker.url, look))._tag, "Failing")
      // Tried once: that Tasker fails at it again tells nothing more.
      assert.lengthOf(tasker.heard.filter(isLookUp), 1)
    })
  )

  it.effect.each(looks)("for %s is an outage if Tasker answers no other call", ([, look]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(503, {}, { "retry-after": "9" }) })
      const failure = yield* withAdapter(tasker.url, (adapter) => Effect.flip(look(adapter)))
      assert.deepInclude(failure, { _tag: "TaskerFailure", retryable: true })
    })
  )

  it.live("counts as answered elsewhere also if the project is refused", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({
        now: (socket, heard) =>
          (isContext(heard) ? json(403, { error: "forbidden" }) : json(500, {}))(socket, heard)
      })
      const look = yield* withAdapter(tasker.url, (adapter) => adapter.findIssue(who, mark))
      assert.strictEqual(look._tag, "Failing")
    })
  )

  it.live("finds the cards that the newest page shows under the key, and counts them", () =>
    Effect.gen(function* () {
      const ours = { ...issue, external_id: upstreamKey }
      const twin = { ...ours, id: otherIssueId }
      const tasker = yield* scripted({ now: poisoned(list({ ...issue, external_id: null }, ours, twin)) })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* adapter.findIssue(who, mark), {
            _tag: "Found",
            value: ours,
            others: [otherIssueId]
          })
          assert.deepStrictEqual(yield* adapter.copies(who, mark), {
            ids: [ours.id, otherIssueId],
            several: true
          })
        })
      )
    })
  )

  it.live("means more than one card also if the newest page shows none", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: poisoned() })
      const copies = yield* withAdapter(tasker.url, (adapter) => adapter.copies(who, mark))
      assert.deepStrictEqual(copies, { ids: [], several: true })
    })
  )

  it.live("keeps nobody else from Tasker, however often it is made", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: poisoned() })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          for (let n = 0; n < 40; n++) {
            const caller = n % 2 === 0 ? who : another
            assert.strictEqual((yield* adapter.findIssue(caller, mark))._tag, "Failing")
            assert.isTrue(yield* adapter.available)
          }
          yield* adapter.listIssues(another, { project_id: projectId })
        })
      )
    })
  )
})

describe("a look-up while the circuit breaker is open", () => {
  it.effect("is refused until a probe is due, and then leaves the probe to a read of the project", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(500, {}) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* Effect.repeat(Effect.flip(move.run(adapter)), { times: 19 })
          script.now = poisoned()
          const early = yield* Effect.flip(adapter.findIssue(another, mark))
          assert.strictEqual(codeOf(early), "tasker.unavailable")
          assert.lengthOf(tasker.heard, 20)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual((yield* adapter.findIssue(another, mark))._tag, "Failing")
          assert.isTrue(isContext(tasker.heard[20] ?? assert.fail("no probe")))
          assert.isTrue(yield* adapter.available)
        })
      )
    })
  )

  it.effect("fails with the outage if the probe fails", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(500, {}) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* Effect.repeat(Effect.flip(move.run(adapter)), { times: 19 })
          yield* TestClock.adjust("10 seconds")
          const failure = yield* Effect.flip(adapter.findIssue(another, mark))
          assert.strictEqual(codeOf(failure), "tasker.unavailable")
          assert.deepStrictEqual(tasker.heard.slice(20).map(isLookUp), [false])
          assert.isFalse(yield* adapter.available)
        })
      )
    })
  )
})
