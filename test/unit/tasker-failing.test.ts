import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { codeOf } from "../../src/domain/Failure.ts"
import * as TaskerGate from "../../src/layers/tasker/TaskerGate.ts"
import * as TaskerHttp from "../../src/layers/tasker/TaskerHttp.ts"
import * as TaskerSend from "../../src/layers/tasker/TaskerSend.ts"
import * as Calls from "../../src/layers/tasker/taskerCalls.ts"
import type { TaskerAdapter, TaskerError } from "../../src/services/TaskerAdapter.ts"
import {
  closedPort,
  json,
  type Script,
  scripted,
  silence,
  until,
  withAdapter
} from "../support/scripted-tasker.ts"
import { api, context, issueId, projectId, ticket, who } from "../support/tasker-api.ts"

const move = api.find(({ name }) => name === "moveIssue") ?? assert.fail("no such call")
const list = { results: [], next_cursor: null, total_count: 0 }
const reading = (tasker: TaskerAdapter["Service"]) => tasker.listIssues(who, { project_id: projectId })

/** A refusal by the gateway: definite, to be repeated, and it says when. */
const refusedEarly = (failure: TaskerError, seconds: number, code = "tasker.unavailable") => {
  assert.strictEqual(codeOf(failure), code)
  assert.isTrue(failure.retryable)
  assert.strictEqual(failure.details.retry_after_seconds, seconds)
  assert.match(failure.message, /Nothing was sent, so nothing was changed\./)
}

const another = { ...who, agent: { ...who.agent, id: randomUUID() as typeof who.agent.id } }
const moving = (tasker: TaskerAdapter["Service"]) =>
  tasker.moveIssue(
    { ...another, upstreamKey: ticket.upstreamKey },
    { _tag: "MoveIssue", project_id: projectId, issue_id: issueId, seen_updated_at: "", state_id: "s" }
  )

/** Twenty writes of two agents that fail; a read would be repeated and wait meanwhile. */
const goDown = (tasker: TaskerAdapter["Service"]) =>
  Effect.andThen(Effect.flip(moving(tasker)), Effect.repeat(Effect.flip(move.run(tasker)), { times: 18 }))

describe("a Tasker that fails", () => {
  it.effect("is soon asked nothing, then asked by one call of many, and by all once that was answered", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(500, {}) }
      const tasker = yield* scripted(script)
      const logged: Array<string> = []
      yield* withAdapter(
        tasker.url,
        (adapter) =>
          Effect.gen(function* () {
            assert.isTrue(yield* adapter.available)
            yield* goDown(adapter)
            assert.strictEqual(tasker.heard.length, 20)
            const { opened } = tasker.sockets
            assert.isFalse(yield* adapter.available)
            for (let n = 0; n < 30; n++) {
              const failure = yield* Effect.flip(n % 2 === 0 ? move.run(adapter) : reading(adapter))
              assert.strictEqual(codeOf(failure), "tasker.unavailable")
              assert.oneOf(failure.details.retry_after_seconds, [1, 2, 3])
            }
            // Readiness looks for itself.
            assert.strictEqual(yield* adapter.reachable, "ok")
            assert.strictEqual(tasker.heard.length, 21)
            assert.isAtMost(tasker.sockets.opened, opened + 1)

            yield* TestClock.adjust("1500 millis")
            assert.isTrue(yield* adapter.available)
            let answer: () => void = () => {}
            script.now = (socket, heard) => {
              answer = () => json(200, list)(socket, heard)
            }
            const many = yield* Effect.forEach(Array.from({ length: 20 }), () =>
              Effect.forkChild(Effect.exit(reading(adapter)))
            )
            yield* until(() => tasker.heard.length === 22)
            assert.isFalse(yield* adapter.available)
            refusedEarly(yield* Effect.flip(move.run(adapter)), 1)
            answer()
            const ends = yield* Fiber.joinAll(many)
            assert.lengthOf(
              ends.filter(({ _tag }) => _tag === "Success"),
              1
            )
            assert.strictEqual(tasker.heard.length, 22)

            script.now = json(200, list)
            yield* Effect.all(
              Array.from({ length: 20 }, () => reading(adapter)),
              { concurrency: "unbounded" }
            )
            assert.strictEqual(tasker.heard.length, 42)
          }),
        { logged }
      )
      assert.deepStrictEqual(
        logged.map((line) => line.replace(/\d+\.\d s/, "n s")),
        [
          "Warn Circuit breaker open: 20 of the last 20 calls to Tasker failed. Sending one probe in n s.",
          "Info Circuit breaker half-open: sending one probe.",
          "Info Circuit breaker closed: Tasker answered the probe."
        ]
      )
    })
  )

  it.effect("is left alone for longer where the probe fails", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(503, {}) })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* goDown(adapter)
          yield* TestClock.adjust("2500 millis")
          yield* Effect.flip(move.run(adapter))
          assert.strictEqual(tasker.heard.length, 21)
          yield* TestClock.adjust("1999 millis")
          assert.isFalse(yield* adapter.available)
          yield* TestClock.adjust("1001 millis")
          assert.isTrue(yield* adapter.available)
        })
      )
    })
  )

  it.effect("frees the probe where the one who made it leaves", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(500, {}) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* goDown(adapter)
          yield* TestClock.adjust("1500 millis")
          script.now = silence
          const probe = yield* Effect.forkChild(reading(adapter))
          yield* until(() => tasker.heard.length === 21)
          yield* Fiber.interrupt(probe)
          script.now = json(200, list)
          yield* reading(adapter)
        })
      )
    })
  )

  it.effect.each([
    ["refuses with 4xx", json(422, { error: "no" })],
    ["answers otherwise than agreed", json(200, {})]
  ] as const)("is none where it %s", ([, answer]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: answer })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* Effect.repeat(Effect.flip(move.run(adapter)), { times: 39 })
          assert.isTrue(yield* adapter.available)
        })
      )
      assert.strictEqual(tasker.heard.length, 40)
    })
  )

  it.live.each([
    ["refuses connections", undefined],
    ["cuts them", ((socket) => socket.destroy()) as Script],
    ["does not answer in time", silence]
  ] as const)("is one where it %s", ([, script]) =>
    Effect.gen(function* () {
      const url =
        script === undefined
          ? new URL(`http://127.0.0.1:${yield* closedPort}`)
          : (yield* scripted({ now: script })).url
      yield* withAdapter(
        url,
        (adapter) =>
          Effect.gen(function* () {
            yield* Effect.all(
              Array.from({ length: 20 }, () => Effect.flip(move.run(adapter))),
              { concurrency: 10 }
            )
            assert.isFalse(yield* adapter.available)
          }),
        { timeoutMillis: 200 }
      )
    })
  )
})

describe("an agent whose calls alone fail", () => {
  it.effect("keeps nobody else from Tasker", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({
        now: (socket, heard) =>
          json(heard.method === "GET" ? 200 : 500, heard.method === "GET" ? list : {})(socket, heard)
      })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          for (let n = 0; n < 20; n++) {
            yield* adapter.listIssues(another, { project_id: projectId })
            yield* Effect.repeat(Effect.flip(move.run(adapter)), { times: 9 })
          }
          assert.isTrue(yield* adapter.available)
        })
      )
      assert.strictEqual(tasker.heard.length, 220)
    })
  )
})

/** As any call that Tasker's Retry-After holds back. */
const heldBack = (failure: TaskerError, seconds: number) =>
  refusedEarly(failure, seconds, "tasker.rate_limited")

describe("a Tasker that asks to be left alone", () => {
  it.effect.each([429, 503])("by %s with Retry-After is asked nothing until then", (status) =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(status, { error: "rate_limited" }, { "retry-after": "7" }) }
      const tasker = yield* scripted(script)
      const logged: Array<string> = []
      yield* withAdapter(
        tasker.url,
        (adapter) =>
          Effect.gen(function* () {
            yield* Effect.flip(move.run(adapter))
            script.now = json(200, list)
            assert.isFalse(yield* adapter.available)
            heldBack(yield* Effect.flip(reading(adapter)), 7)
            yield* TestClock.adjust("4 seconds")
            heldBack(yield* Effect.flip(move.run(adapter)), 3)
            assert.strictEqual(tasker.heard.length, 1)
            yield* TestClock.adjust("3 seconds")
            assert.isTrue(yield* adapter.available)
            yield* reading(adapter)
          }),
        { logged }
      )
      assert.deepStrictEqual(logged, ["Warn Tasker sent Retry-After; pausing all calls for 7.0 s."])
    })
  )

  it.effect("for longer than a minute is asked again after a minute", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(429, { error: "rate_limited" }, { "retry-after": "3600" }) })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* Effect.flip(move.run(adapter))
          heldBack(yield* Effect.flip(reading(adapter)), 60)
          yield* TestClock.adjust("60 seconds")
          assert.isTrue(yield* adapter.available)
        })
      )
    })
  )

  it.effect("for no time, or without saying for how long, is asked on", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(429, {}, { "retry-after": "0" }) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* Effect.flip(move.run(adapter))
          assert.isTrue(yield* adapter.available)
          script.now = json(429, {})
          yield* Effect.flip(move.run(adapter))
          assert.isTrue(yield* adapter.available)
        })
      )
    })
  )
})

describe("a pause that Tasker asked for", () => {
  it.effect("lets names be read from the ten-second cache, and is told to the operator", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(200, context) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* adapter.recentContext(who, projectId)
          assert.deepStrictEqual(yield* adapter.warnings, [])
          script.now = json(429, { error: "rate_limited" }, { "retry-after": "55" })
          yield* Effect.flip(move.run(adapter))
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual(yield* adapter.warnings, [
            "Tasker sent Retry-After: all calls to it are paused for another 50 s."
          ])
          yield* adapter.recentContext(who, projectId)
          const failure = yield* Effect.flip(adapter.projectContext(who, projectId))
          heldBack(failure, 50)
          assert.include(failure.message, "Tasker sent Retry-After, so the gateway pauses all calls to it.")
          assert.strictEqual(tasker.heard.length, 2)
        })
      )
    })
  )
})

describe("a call that failed", () => {
  it.live("counts once for the circuit breaker, however often it was tried", () =>
    Effect.gen(function* () {
      const script: { now: Script } = { now: json(500, {}) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const reads = (times: number) =>
            Effect.all(
              Array.from({ length: times }, () => Effect.flip(reading(adapter))),
              { concurrency: "unbounded" }
            )
          yield* reads(16)
          assert.strictEqual(tasker.heard.length, 48)
          assert.isTrue(yield* adapter.available)
          yield* reads(4)
          assert.isFalse(yield* adapter.available)
        })
      )
    })
  )

  /** Answers the first so many requests by the first script, the others by the second. */
  const first = (times: number, one: Script, then: Script): { now: Script } => {
    let heard = 0
    return { now: (socket, request) => (heard++ < times ? one : then)(socket, request) }
  }
  const cut: Script = (socket) => socket.destroy()

  it.live.each([
    ["a 500 and a cut", first(1, json(500, {}), first(1, cut, json(200, list)).now), 3],
    ["a cut", first(1, cut, json(200, list)), 2],
    ["a 503 that asks for a second", first(1, json(503, {}, { "retry-after": "1" }), json(200, list)), 2],
    ["a 429 that asks for a second", first(1, json(429, {}, { "retry-after": "1" }), json(200, list)), 2]
  ] as const)("is repeated after %s if it is a read", ([, script, requests]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted("now" in script ? script : { now: script })
      yield* withAdapter(tasker.url, reading)
      assert.strictEqual(tasker.heard.length, requests)
    })
  )

  it.live("is repeated also where a read is a POST", () =>
    Effect.gen(function* () {
      const resolve = api.find(({ name }) => name === "resolveProject") ?? assert.fail("no such call")
      const tasker = yield* scripted(first(1, cut, json(200, resolve.good.body)))
      assert.deepStrictEqual(yield* withAdapter(tasker.url, resolve.run), resolve.good.value)
      assert.strictEqual(tasker.heard.length, 2)
    })
  )

  it.live.each([
    ["429 that asks for more than two seconds", json(429, {}, { "retry-after": "3" })],
    ["429 that does not say for how long", json(429, {})],
    ["404", json(404, { error: "not_found" })],
    ["answer otherwise than agreed", json(200, {})],
    ["timeout", silence]
  ] as const)("is not repeated after a %s", ([, script]) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: script })
      yield* withAdapter(tasker.url, (adapter) => Effect.flip(reading(adapter)), { timeoutMillis: 1000 })
      assert.strictEqual(tasker.heard.length, 1)
    })
  )

  const writes = api.filter(({ write }) => write)
  it.live.each([
    ["500", json(500, {})],
    ["503 that asks for a second", json(503, {}, { "retry-after": "1" })],
    ["429 that asks for a second", json(429, {}, { "retry-after": "1" })],
    ["cut", cut]
  ] as const)("is never repeated after a %s if it is a write", ([, script]) =>
    Effect.gen(function* () {
      for (const write of writes) {
        const tasker = yield* scripted({ now: script })
        yield* withAdapter(tasker.url, (adapter) => Effect.flip(write.run(adapter)))
        assert.strictEqual(tasker.heard.length, 1, write.name)
      }
    })
  )

  it.live("is repeated once, also a write, where nothing of it could be sent", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const transport = yield* TaskerHttp.make(`http://127.0.0.1:${port}`, { connections: 1 })
      let refusals = 0
      // Tasker comes up between the two tries.
      const scope = yield* Effect.scope
      const started = yield* Effect.cached(
        Scope.provide(scripted({ now: json(200, move.good.body) }, port), scope)
      )
      const send = TaskerSend.make(
        {
          exchange: (request, millis) =>
            Effect.tapError(transport.exchange(request, millis), () => {
              refusals++
              return started
            })
        },
        yield* TaskerGate.make,
        { path: "", admit: TaskerSend.bearing("t"), timeoutMillis: 5000 }
      )
      const write = { _tag: "MoveIssue", project_id: projectId, issue_id: issueId, state_id: "s" } as const
      const reply = yield* send(Calls.moveIssue(ticket, { ...write, seen_updated_at: "" }))
      assert.deepStrictEqual([reply.status, refusals], [200, 1])
      assert.strictEqual((yield* started).heard.length, 1)
    })
  )
})
