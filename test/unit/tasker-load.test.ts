import { randomUUID } from "node:crypto"
import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { codeOf } from "../../src/domain/Failure.ts"
import type { TaskerAdapter, TaskerError } from "../../src/services/TaskerAdapter.ts"
import { type Heard, json, type Script, scripted, until, withAdapter } from "../support/scripted-tasker.ts"
import { agent, projectId } from "../support/tasker-api.ts"

const list = { results: [], next_cursor: null, total_count: 0 }

/** A call of one agent, named by its card so that the test knows it again at Tasker. */
const reading = (tasker: TaskerAdapter["Service"], id: string) =>
  tasker.listIssues(
    { agent: { ...agent, id: id as typeof agent.id }, requestId: "request-1", workspaceSlug: "nodedc" },
    { project_id: projectId }
  )
const callsOf = (tasker: TaskerAdapter["Service"], id: string, times: number) =>
  Effect.forEach(Array.from({ length: times }), () =>
    Effect.forkChild(Effect.exit(reading(tasker, id)), { startImmediately: true })
  )

/** Time enough that on a busy machine nobody's wait ends before the test ends it. */
const unhurried = <A, E, R>(url: URL, use: (tasker: TaskerAdapter["Service"]) => Effect.Effect<A, E, R>) =>
  withAdapter(url, use, { timeoutMillis: 60_000 })

/** Keeps every request unanswered until the test answers it. */
const patient = () => {
  const asked: Array<{ readonly agent: string; readonly answer: (reply?: Script) => void }> = []
  const now: Script = (socket: Socket, heard: Heard) => {
    asked.push({
      agent: heard.headers["x-nodedc-agent-id"] ?? "",
      answer: (reply = json(200, list)) => reply(socket, heard)
    })
  }
  return { asked, script: { now } }
}

const busy = (failure: TaskerError) => {
  assert.strictEqual(codeOf(failure), "tasker.unavailable")
  assert.isTrue(failure.retryable)
  assert.isAtLeast(Number(failure.details.retry_after_seconds), 1)
  assert.match(failure.message, /Nothing was sent, so nothing was changed\./)
}

const agents = Array.from({ length: 5 }, () => randomUUID())
const [one = "", two = ""] = agents

describe("calls to Tasker under load", () => {
  it.live("are 64 at once; 256 wait, and the next is refused at once", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const fibers = (yield* Effect.forEach(agents.slice(0, 4), (id) => callsOf(adapter, id, 80))).flat()
          yield* until(() => asked.length === 64)
          const failure = yield* Effect.flip(reading(adapter, agents[4] ?? ""))
          busy(failure)
          assert.include(failure.message, "more calls wait for Tasker than it can answer in time")
          // A Tasker that is busy with our calls is there, and is asked.
          assert.isTrue(yield* adapter.available)
          assert.strictEqual(tasker.heard.length, 64)
          assert.strictEqual(tasker.sockets.opened, 64)
          for (let answered = 0; answered < 320; answered++) {
            yield* until(() => asked.length > answered)
            asked[answered]?.answer()
          }
          const ends = yield* Fiber.joinAll(fibers)
          assert.isTrue(ends.every(Exit.isSuccess))
          assert.strictEqual(tasker.sockets.opened, 64)
        })
      )
    })
  )

  it.live("of an agent that floods wait behind each other, and another agent's is made at once", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const flood = yield* callsOf(adapter, one, 80)
          yield* until(() => asked.length === 16)
          const failure = yield* Effect.flip(reading(adapter, one))
          busy(failure)
          assert.include(failure.message, "this agent has more calls waiting")
          const [other] = yield* callsOf(adapter, two, 1)
          yield* until(() => asked.length === 17)
          assert.strictEqual(asked[16]?.agent, two)
          asked[16]?.answer()
          assert.isTrue(other !== undefined && Exit.isSuccess(yield* Fiber.join(other)))
          assert.strictEqual(asked.length, 17)
          yield* Fiber.interruptAll(flood)
        })
      )
    })
  )

  it.live("are made in turns where all wait: the single call of one before the long line of another", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const flood = (yield* Effect.forEach(agents.slice(0, 4), (id) => callsOf(adapter, id, 70))).flat()
          yield* until(() => asked.length === 64)
          const late = agents[4] ?? ""
          const [single] = yield* callsOf(adapter, late, 1)
          for (let answered = 0; answered < 5; answered++) asked[answered]?.answer()
          yield* until(() => asked.length === 69)
          // All five slots were one agent's: its own next call has the first, then the others' come first.
          assert.strictEqual(asked[65]?.agent, late)
          if (single !== undefined) yield* Fiber.interrupt(single)
          yield* Fiber.interruptAll(flood)
        })
      )
    })
  )

  it.live(
    "wait for half of their time at most, also where they can't be interrupted, and are not sent later",
    () =>
      Effect.gen(function* () {
        const { asked, script } = patient()
        const tasker = yield* scripted(script)
        yield* withAdapter(
          tasker.url,
          (adapter) =>
            Effect.gen(function* () {
              const slow = yield* callsOf(adapter, one, 16)
              yield* until(() => asked.length === 16)
              const waiting = Effect.uninterruptible(Effect.flip(reading(adapter, one)))
              busy(yield* waiting)
              for (const { answer } of asked) answer()
              yield* Fiber.joinAll(slow)
              assert.strictEqual(tasker.heard.length, 16)
            }),
          { timeoutMillis: 4000 }
        )
      })
  )

  it.live("that are given up leave nothing occupied, whether they were under way or waited", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          for (let round = 1; round <= 3; round++) {
            const fibers = yield* callsOf(adapter, one, 80)
            yield* until(() => asked.length === round * 16)
            // The waiting first, then those under way, whose slots would else pass to them.
            yield* Fiber.interruptAll(fibers.slice(16))
            yield* Fiber.interruptAll(fibers.slice(0, 16))
            yield* until(() => tasker.sockets.closed === round * 16)
          }
          // Those under way first: their slots pass to those that wait, which are given up right then.
          yield* Fiber.interruptAll(yield* callsOf(adapter, one, 80))
          script.now = json(200, list)
          const whole = (yield* Effect.forEach(agents.slice(0, 4), (id) => callsOf(adapter, id, 16))).flat()
          assert.isTrue((yield* Fiber.joinAll(whole)).every(Exit.isSuccess))
        })
      )
    })
  )

  it.live("that wait are refused as soon as Tasker asks to be left alone", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const flood = yield* callsOf(adapter, one, 40)
          yield* until(() => asked.length === 16)
          script.now = json(429, {}, { "retry-after": "9" })
          const failure = yield* Effect.flip(reading(adapter, two))
          assert.strictEqual(codeOf(failure), "tasker.rate_limited")
          const refused = yield* Fiber.joinAll(flood.slice(16))
          for (const exit of refused) {
            if (Exit.isSuccess(exit)) assert.fail("a call was made")
          }
          assert.strictEqual(tasker.heard.length, 17)
          yield* Fiber.interruptAll(flood)
        })
      )
    })
  )

  it.live("that wait in the longest line are all refused, and every slot is there again afterwards", () =>
    Effect.gen(function* () {
      const { asked, script } = patient()
      const tasker = yield* scripted(script)
      yield* unhurried(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const fibers = (yield* Effect.forEach(agents.slice(0, 4), (id) => callsOf(adapter, id, 80))).flat()
          yield* until(() => asked.length === 64)
          const keeping = script.now
          script.now = json(200, list)
          asked[0]?.answer(json(429, {}, { "retry-after": "1" }))
          yield* until(() => fibers.filter((fiber) => fiber.pollUnsafe() !== undefined).length >= 256)
          for (const { answer } of asked.slice(1)) answer()
          const ends = yield* Fiber.joinAll(fibers)
          assert.isAtLeast(ends.filter(Exit.isFailure).length, 256)
          script.now = keeping
          const next = (yield* Effect.forEach(agents.slice(0, 4), (id) => callsOf(adapter, id, 16))).flat()
          yield* until(() => asked.length === 128)
          for (const { answer } of asked.slice(64)) answer()
          assert.isTrue((yield* Fiber.joinAll(next)).every(Exit.isSuccess))
        })
      )
    })
  )
})
