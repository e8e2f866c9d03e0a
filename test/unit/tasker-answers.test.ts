import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { describe as described } from "../../src/domain/Failure.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import type { TaskerError } from "../../src/services/TaskerAdapter.ts"
import {
  bearer,
  bytes,
  closedPort,
  json,
  reply,
  type Script,
  scripted,
  silence,
  until,
  withAdapter
} from "../support/scripted-tasker.ts"
import { agent, api, context, projectId, upstreamKey, who } from "../support/tasker-api.ts"

const call = (name: string) => api.find((one) => one.name === name) ?? assert.fail(`no call ${name}`)
const move = call("moveIssue")

const failureOf = (script: Script, of = move): Effect.Effect<TaskerError> =>
  Effect.scoped(
    Effect.flatMap(scripted({ now: script }), ({ url }) =>
      Effect.orDie(withAdapter(url, (tasker) => Effect.flip(of.run(tasker))))
    )
  )

describe("What Tasker says", () => {
  it.live("is passed on with a refusal, in the message and apart", () =>
    Effect.gen(function* () {
      const body = {
        error: "invalid",
        detail: "Not so.",
        fields: { name: ["Too long.", "Odd."], dates: { a: 1 } }
      }
      const failure = yield* failureOf(json(400, body))
      assert.include(
        failure.message,
        String.raw`Tasker says: "invalid; Not so.; name: Too long.; Odd.; dates: {\"a\":1}"`
      )
      assert.include(failure.message, "Nothing was changed.")
      assert.deepStrictEqual(failure.details, {
        tasker: { error: "invalid", detail: "Not so.", fields: { name: "Too long.; Odd.", dates: '{"a":1}' } }
      })
    })
  )

  it.live("is cut, and cleaned of what does not show", () =>
    Effect.gen(function* () {
      const fields = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field-${i}`, "x".repeat(50)]))
      const detail = `a\u202eb\u200bc\u0000d\u001b[31m\ne ${"🚀".repeat(500)}`
      const body = { error: "invalid", detail, fields }
      const failure = yield* failureOf(json(422, body))
      assert.isBelow(failure.message.length, 900)
      assert.isBelow(JSON.stringify(failure.details).length, 3000)
      assert.include(failure.message, 'Tasker says: "invalid; abcd[31m e 🚀')
      assert.isTrue(failure.message.isWellFormed())
      assert.notMatch(JSON.stringify(described(failure)), /[\p{Cc}\u202e\u200b]|\\u/u)
    })
  )

  it.live("never gives away a secret, even where Tasker repeats one", () =>
    Effect.gen(function* () {
      const token = fromBytes(new Uint8Array(32).fill(7))
      const secrets = [bearer, upstreamKey, Redacted.value(token)]
      for (const secret of secrets) {
        const hidden = `${secret.slice(0, 9)}\u200b${secret.slice(9)}`
        for (const text of [secret, hidden, `${"x".repeat(295)}${secret}`]) {
          const fields = { [text]: [text], nested: { deep: [text] } }
          const bodies = [
            { error: text, detail: `Bearer ${text}`, fields },
            { error: "invalid", detail: `Bearer ${text}`, fields },
            { state_id: [text], actor: { [text]: [text] } }
          ]
          for (const body of bodies) {
            for (const status of [400, 401, 403, 404, 409, 418, 429, 500]) {
              const told = JSON.stringify(described(yield* failureOf(json(status, body))))
              for (const one of secrets) assert.notInclude(told, one.slice(0, 12))
            }
          }
        }
      }
    })
  )

  it.live.each([
    [
      { non_field_errors: ["Start date cannot exceed target date"] },
      "non_field_errors: Start date cannot exceed target date"
    ],
    [{ state_id: { "0": ["Invalid pk."], "2": ["Odd."] } }, "state_id: Invalid pk.; Odd."]
  ] as const)("is passed on field by field also as Plane says it: %j", ([body, told]) =>
    Effect.gen(function* () {
      const failure = yield* failureOf(json(400, body))
      assert.include(failure.message, `(Tasker says: "${told}")`)
      assert.strictEqual(failure.reason, "rejected")
    })
  )

  it.live("names neither the credential nor Tasker's words if the credential is refused", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf(json(403, { detail: "Given API token is not valid" }))
      assert.include(failure.message, "has to check NODEDC_INTERNAL_ACCESS_TOKEN")
      assert.deepStrictEqual(failure.details, {})
    })
  )

  it.live("of an account without access, is told as that and not as a wrong credential", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf(json(403, { error: "forbidden" }))
      assert.strictEqual(failure.reason, "rejected")
      assert.include(failure.message, "the gateway's account has no access to this project")
    })
  )

  it.live("of an owner who is no member, tells whom to ask for what", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf(json(403, { error: "owner_not_member", detail: "x" }))
      assert.strictEqual(failure._tag, "GrantDenied")
      assert.deepStrictEqual(failure.details, { owner_user_id: agent.owner_user_id, project_id: projectId })
      assert.match(failure.message, /has to be let into project .* again/)
    })
  )

  it.live.each([
    ["7", 7],
    ["0", 1],
    ["999999999", 3600],
    ["-5", 10],
    ["soon", 10],
    [undefined, 10],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 1],
    [new Date(Date.now() + 86_400_000).toUTCString(), 3600]
  ] as const)("of a Retry-After %s, is how long to wait", ([header, seconds]) =>
    Effect.gen(function* () {
      const headers = header === undefined ? {} : { "retry-after": header }
      const failure = yield* failureOf(json(429, { error: "slow down" }, headers))
      assert.deepStrictEqual(failure.details, { retry_after_seconds: seconds })
    })
  )

  it.effect("of a Retry-After date, is held against the clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-11-24T12:00:00Z"))
      const failure = yield* failureOf(json(503, {}, { "retry-after": "Tue, 24 Nov 2026 12:00:42 GMT" }))
      assert.deepStrictEqual(failure.details, { retry_after_seconds: 42 })
    })
  )
})

describe("TaskerInternal.recentContext", () => {
  const other = { ...who, agent: { ...agent, owner_user_id: "owner-2" as typeof agent.owner_user_id } }

  it.effect("is read once in ten seconds for a project and owner", () =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: json(200, context) })
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const colleague = {
            ...who,
            agent: { ...agent, id: "77777777-7777-4777-8777-777777777777" as typeof agent.id }
          }
          const recent = adapter.recentContext(who, projectId)
          assert.deepStrictEqual(yield* recent, context as unknown)
          yield* TestClock.adjust("9999 millis")
          yield* recent
          yield* adapter.recentContext(colleague, projectId)
          assert.strictEqual(tasker.heard.length, 1)
          yield* adapter.recentContext(other, projectId)
          assert.strictEqual(tasker.heard.length, 2)
          yield* TestClock.adjust("1 millis")
          yield* recent
          assert.strictEqual(tasker.heard.length, 3)
        })
      )
    })
  )

  it.effect("is what projectContext, which always asks, was last told", () =>
    Effect.gen(function* () {
      const script = { now: json(200, context) }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          yield* adapter.recentContext(who, projectId)
          const newer = { ...context, labels: [] }
          script.now = json(200, newer)
          yield* TestClock.adjust("6 seconds")
          yield* adapter.projectContext(who, projectId)
          yield* TestClock.adjust("6 seconds")
          assert.deepStrictEqual(yield* adapter.recentContext(who, projectId), newer as unknown)
          assert.strictEqual(tasker.heard.length, 2)
        })
      )
    })
  )

  it.live("is asked for once by many at once, and a failure is not kept", () =>
    Effect.gen(function* () {
      const script = { now: silence }
      const tasker = yield* scripted(script)
      yield* withAdapter(tasker.url, (adapter) =>
        Effect.gen(function* () {
          const recent = adapter.recentContext(who, projectId)
          let fail: () => void = () => {}
          script.now = (socket, heard) => {
            fail = () => json(403, {})(socket, heard)
          }
          const many = yield* Effect.forkChild(
            Effect.all(
              Array.from({ length: 20 }, () => Effect.flip(recent)),
              { concurrency: "unbounded" }
            )
          )
          yield* until(() => tasker.heard.length === 1)
          fail()
          assert.deepStrictEqual(
            [...new Set((yield* Fiber.join(many)).map(({ reason }) => reason))],
            ["contract"]
          )
          script.now = json(200, context)
          yield* Effect.all(
            Array.from({ length: 20 }, () => recent),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(tasker.heard.length, 2)
        })
      )
    })
  )
})

describe("TaskerInternal.reachable", () => {
  it.live("is ok whatever Tasker answers, asks for the base URL alone and shows no credential", () =>
    Effect.gen(function* () {
      for (const status of [200, 301, 404, 500]) {
        const tasker = yield* scripted({ now: reply(status, "x".repeat(100_000), {}) })
        const url = new URL("/base", tasker.url)
        assert.strictEqual(yield* withAdapter(url, ({ reachable }) => reachable), "ok")
        const [heard] = tasker.heard
        assert.deepStrictEqual([heard?.method, heard?.path], ["GET", "/base/"])
        assert.notProperty(heard?.headers, "authorization")
      }
    })
  )

  it.live("tells nobody there, and no URL, apart", () =>
    Effect.gen(function* () {
      const nobody = new URL(`http://127.0.0.1:${yield* closedPort}`)
      assert.strictEqual(yield* withAdapter(nobody, ({ reachable }) => reachable), "unreachable")
      const cut = yield* scripted({ now: (socket) => socket.destroy() })
      assert.strictEqual(yield* withAdapter(cut.url, ({ reachable }) => reachable), "unreachable")
      assert.strictEqual(yield* withAdapter(undefined, ({ reachable }) => reachable), "unconfigured")
    })
  )
})

describe("Whatever Tasker answers, it is a typed success or a typed failure", () => {
  /** One adapter for all samples of a property; `check` must not see a defect. */
  const typed = (script: Script) =>
    Effect.gen(function* () {
      const tasker = yield* scripted({ now: script })
      return yield* withAdapter(tasker.url, (adapter) =>
        Effect.forEach(api, (one) => Effect.exit(one.run(adapter)), { concurrency: "unbounded" })
      )
    }).pipe(
      Effect.scoped,
      Effect.map((exits) => {
        for (const exit of exits) {
          if (Exit.isFailure(exit)) assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
        }
        return exits
      })
    )

  const holds = <A>(arbitrary: fc.Arbitrary<A>, script: (sample: A) => Script) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(arbitrary, (sample) => Effect.runPromise(Effect.asVoid(typed(script(sample))))),
        { numRuns: 40 }
      )
    )

  const head = Buffer.from("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")

  it.live("of bytes", () =>
    holds(
      fc.tuple(fc.constantFrom(0, 9, 50, head.length), fc.uint8Array({ maxLength: 200 })),
      ([kept, rest]) => bytes(Buffer.concat([head.subarray(0, kept), rest]))
    )
  )

  it.live("of JSON", () =>
    holds(fc.tuple(fc.integer({ min: 200, max: 599 }), fc.jsonValue()), ([status, body]) =>
      json(status, body)
    )
  )

  it.live("of errors", () =>
    holds(
      fc.record(
        {
          status: fc.constantFrom(400, 403, 404, 409, 422, 429, 500),
          error: fc.string({ unit: "binary" }),
          detail: fc.jsonValue(),
          fields: fc.jsonValue(),
          id: fc.jsonValue()
        },
        { requiredKeys: ["status", "error"] }
      ),
      ({ status, ...body }) => json(status, body)
    )
  )

  it.live("of a good answer in which one thing is another", () =>
    holds(
      fc.tuple(fc.nat(), fc.oneof(fc.jsonValue(), fc.constant(undefined))),
      ([at, value]) =>
        (socket, heard) => {
          const one = api.find(
            ({ request }) => heard.method === request.method && heard.path.endsWith(request.path)
          )
          json(one?.good.status ?? 500, changed(one?.good.body, at, value) ?? null)(socket, heard)
        }
    )
  )

  it.live("of what no database holds: it comes without", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(move.good.body).replace("Заголовок", "a\\u0000b\\ud800c\\ud83d\\ude80")
      const tasker = yield* scripted({ now: reply(200, body) })
      const moved = (yield* withAdapter(tasker.url, move.run)) as { readonly name: string }
      assert.strictEqual(moved.name, "ab\ufffdc🚀 🚀")
    })
  )

  it.live("of brackets without end", () =>
    Effect.gen(function* () {
      for (const body of ["[".repeat(1_000_000), `${"[".repeat(100_000)}"\\u0000"${"]".repeat(100_000)}`]) {
        assert.strictEqual((yield* failureOf(reply(200, body))).reason, "contract")
        const refusal = `{"error":"invalid","fields":{"a":${body}}}`
        assert.strictEqual((yield* failureOf(reply(400, refusal))).reason, "contract")
      }
      const deep = `{"error":"invalid","fields":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`
      assert.strictEqual((yield* failureOf(reply(400, deep))).reason, "rejected")
    })
  )
})

/** The value with another at one of its places, counted in depth. */
const changed = (value: unknown, at: number, other: unknown): unknown => {
  let left = at % JSON.stringify(value).split(/[,:]/).length
  const walk = (here: unknown): unknown => {
    if (left-- === 0) return other
    if (Array.isArray(here)) return here.map(walk)
    if (typeof here !== "object" || here === null) return here
    return Object.fromEntries(Object.entries(here).map(([name, inner]) => [name, walk(inner)]))
  }
  return walk(value)
}
