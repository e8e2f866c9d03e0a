import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as TaskerHttp from "../../src/layers/tasker/TaskerHttp.ts"
import { leaping } from "../support/leap.ts"
import { json, type Script, scripted, silence, until, withAdapter } from "../support/scripted-tasker.ts"
import {
  agent,
  api,
  failureIn,
  issue,
  issueId,
  otherProjectId,
  project,
  projectId,
  ticket,
  who
} from "../support/tasker-api.ts"

const move = api.find(({ name }) => name === "moveIssue") ?? assert.fail("no such call")

describe("TaskerInternal on its connections", () => {
  it.live("carries an uninterruptible write to its end though its caller has gone", () =>
    Effect.gen(function* () {
      const script = { now: silence }
      let answer: () => void = () => {}
      script.now = (socket, heard) => {
        answer = () => json(200, move.good.body)(socket, heard)
      }
      const tasker = yield* scripted(script)
      let value: unknown
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const write = Effect.tap(move.run(adapter), (issue) =>
            Effect.sync(() => {
              value = issue
            })
          )
          const fiber = yield* Effect.forkChild(Effect.uninterruptible(write))
          yield* until(() => tasker.heard.length === 1)
          fiber.interruptUnsafe()
          answer()
          yield* Fiber.await(fiber)
        })
      )
      assert.deepStrictEqual(value, move.good.value)
    })
  )

  it.live("sends nothing once its time is over, if the process stood still while it connected", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const tasker = yield* scripted({ now: json(200, {}) })
        const { clock, leap } = yield* leaping
        const transport = yield* TaskerHttp.make(tasker.url.origin, { connections: 1 })
        const request = { method: "POST", path: "/", headers: {}, body: "{}" } as const
        const exchange = Effect.provideService(transport.exchange(request, 5000), Clock.Clock, clock)
        const [broken] = yield* Effect.all([Effect.flip(exchange), leap(60_000)], { concurrency: 2 })
        assert.strictEqual(broken._tag, "NotSent")
        assert.lengthOf(tasker.heard, 0)
      })
    )
  )

  it.live("gives up a read at once when it is interrupted", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: silence })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(adapter.listIssues(who, { project_id: projectId }))
          yield* until(() => tasker.heard.length === 1)
          yield* Fiber.interrupt(fiber)
          yield* until(() => tasker.sockets.closed === 1)
        })
      )
    })
  )

  it.live("never sends later what it said was not sent", () =>
    Effect.gen(function* () {
      const script = { now: silence }
      const tasker = yield* scripted(script)
      const transport = yield* TaskerHttp.make(tasker.url.origin, { connections: 1 })
      const get = { method: "GET", path: "/", headers: {}, body: undefined } as const
      const busy = yield* Effect.forkChild(transport.exchange(get, 5000))
      yield* until(() => tasker.heard.length === 1)
      const waited = yield* Effect.flip(transport.exchange({ ...get, method: "POST", body: "{}" }, 50))
      assert.deepStrictEqual(waited, { _tag: "NotSent", because: "no connection was free within 0.05 s" })
      script.now = json(200, {})
      const behind = yield* Effect.forkChild(transport.exchange(get, 5000))
      yield* Fiber.interrupt(busy)
      yield* Fiber.join(behind)
      yield* transport.exchange(get, 5000)
      assert.deepStrictEqual(
        tasker.heard.map(({ method }) => method),
        ["GET", "GET", "GET"]
      )
    })
  )

  it.live("keeps its connections, and opens a new one where Tasker has closed an old", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(200, move.good.body) })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          // A connection is free again a turn after its answer, so calls close together take turns on two.
          yield* Effect.repeat(move.run(adapter), { times: 20 })
          assert.isAtMost(tasker.sockets.opened, 2)
          tasker.hangUp()
          yield* until(() => tasker.sockets.closed === tasker.sockets.opened)
          yield* Effect.repeat(move.run(adapter), { times: 20 })
          assert.isAtMost(tasker.sockets.opened, 4)
          assert.strictEqual(tasker.heard.length, 42)
        })
      )
    })
  )

  it.live("leaves a write open that went down with a stale connection, and does not send it again", () =>
    Effect.gen(function* () {
      const answered = new Set<unknown>()
      const answer = json(200, move.good.body)
      // Each connection carries one call; the next on it is read and comes to nothing.
      const stale: Script = (socket, heard) => {
        if (answered.has(socket)) return void socket.destroy()
        answered.add(socket)
        answer(socket, heard)
      }
      const tasker = yield* scripted({ now: stale })
      let calls = 0
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const once = Effect.suspend(() => {
            calls++
            return move.attempt(adapter)
          })
          const failed = yield* Effect.flip(Effect.forever(once))
          assert.strictEqual(failed._tag, "Ambiguous")
          assert.deepInclude(failureIn(failed), { reason: "unavailable", retryable: true })
        })
      )
      assert.strictEqual(tasker.heard.length, calls)
    })
  )

  it.effect.each([
    ["when it left, if it is short", "x", 0n],
    ["when it was given up, if it may have left bit by bit", "x".repeat(10_000), 5_000_000_000n]
  ] as const)("says of a write without a response %s", ([, text, sentAt]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: silence })
      const failed = yield* withAdapter(
        tasker.url,
        (adapter) =>
          Effect.gen(function* () {
            const write = adapter.updateIssue(ticket, {
              _tag: "UpdateIssue",
              project_id: projectId,
              issue_id: issueId,
              seen_updated_at: "",
              fields: { description_html: text }
            })
            const fiber = yield* Effect.forkChild(Effect.flip(write))
            yield* until(() => tasker.heard.length === 1)
            yield* TestClock.adjust("5 seconds")
            return yield* Fiber.join(fiber)
          }),
        { timeoutMillis: 1500 }
      )
      assert.deepInclude(failed, { _tag: "Ambiguous", sentAt })
    })
  )

  it.live("passes on a card of another project where one card was asked for by its id", () =>
    Effect.gen(function* () {
      const foreign = { ...issue, project_id: otherProjectId }
      const tasker = yield* scripted({
        now: json(200, { results: [foreign], next_cursor: null, total_count: 1 })
      })
      const query = { project_id: projectId, issue_id: issueId }
      const page = yield* withAdapter(tasker.url, (adapter) => adapter.listIssues(who, query))
      assert.deepStrictEqual(page.results, [foreign])
      const byNumber = { project_id: projectId, identifier: "OPS-13" }
      const failure = yield* withAdapter(tasker.url, (adapter) =>
        Effect.flip(adapter.listIssues(who, byNumber))
      )
      assert.strictEqual(failure.reason, "contract")
    })
  )

  it.live("keeps the path that Tasker's URL has", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(200, { project }) })
      yield* withAdapter(new URL("/behind/proxy/", tasker.url), (adapter) =>
        adapter.resolveProject(who, { workspace_slug: "nodedc" })
      )
      assert.strictEqual(tasker.heard[0]?.path, "/behind/proxy/api/internal/nodedc/agent/projects/resolve")
    })
  )

  it.live("sends any owner id in a header from which it can be read back", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(200, move.good.body) })
      const ids = [
        "owner-1",
        "a.b+c@example.org",
        "Иван Петров",
        "50%",
        "%41",
        "x\r\nx-evil: 1",
        " ",
        "🚀".repeat(32)
      ]
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.forEach(ids, (id) => {
          const owner = { ...agent, owner_user_id: id as typeof agent.owner_user_id }
          return adapter.moveIssue(
            { ...ticket, agent: owner },
            {
              _tag: "MoveIssue",
              project_id: projectId,
              issue_id: issueId,
              seen_updated_at: "",
              state_id: "s"
            }
          )
        })
      )
      const sent = tasker.heard.map(({ headers }) => headers["x-nodedc-owner-id"] ?? "")
      assert.deepStrictEqual(sent.slice(0, 2), ids.slice(0, 2))
      assert.deepStrictEqual(sent.map(decodeURIComponent), ids)
      assert.isUndefined(tasker.heard.find(({ headers }) => "x-evil" in headers))
    })
  )

  it.live("names the trace that the call belongs to", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(200, move.good.body) })
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      yield* withAdapter(tasker.url, move.run).pipe(
        Effect.withParentSpan(Tracer.externalSpan({ traceId, spanId: "b7ad6b7169203331", sampled: true }))
      )
      yield* Effect.withTracerEnabled(withAdapter(tasker.url, move.run), false)
      const [within, alone] = tasker.heard.map(({ headers }) => headers.traceparent ?? "")
      assert.match(within ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
      assert.match(alone ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
      assert.notInclude(alone ?? "", traceId)
    })
  )
})
