import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Settings } from "../../src/Config.ts"
import type { CallFailure } from "../../src/domain/Failure.ts"
import * as PlaneAdapter from "../../src/layers/plane/PlaneAdapter.ts"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { eventually, outcome, refusal } from "../support/evidence.ts"
import type { PlaneControl } from "../support/plane.ts"
import { bench } from "../support/plane-adapter.ts"
import { keyState, madeUnder, requestsDuring } from "../support/plane-evidence.ts"
import { type PlaneActor, PlaneWorld, planeWorld } from "../support/plane-world.ts"
import { call } from "../support/world.ts"

const perMinute = 60
const limited = planeWorld({
  plane: { rate_limit: perMinute },
  variables: { PLANE_REQUESTS_PER_MINUTE: String(perMinute) }
})
const options = { timeout: "10 minutes", excludeTestServices: true } as const

const create = (agent: PlaneActor, key: string, args: object = {}) =>
  call(agent, "tasker_create_issue", { name: key, idempotency_key: key, ...args }, key)

const retryAfter = (failure: CallFailure): unknown => failure.details.retry_after_seconds

/** Requests that stand in the rows of the database, over all keys. */
const counted = Effect.gen(function* () {
  const { database } = yield* PlaneWorld
  const rows = yield* database<{ requests: number }>`
    select coalesce(sum((second ->> 1)::int), 0)::int as requests
    from plane_budgets, jsonb_array_elements(made) second`
  return rows[0]?.requests
}).pipe(Effect.orDie)

/** Requests are counted beside the call that makes them. */
const eventuallyCounted = (requests: number) =>
  eventually(
    `${requests} requests are counted`,
    Effect.map(counted, (now) => now === requests)
  )

const eventuallyHeld = eventually(
  "the key is held",
  Effect.gen(function* () {
    const { database } = yield* PlaneWorld
    return (
      (yield* database`select from plane_budgets where held_until > now() + interval '30 seconds'`).length > 0
    )
  })
)

layer(limited, options)("sixty requests a minute, by agents that flood", (it) => {
  it.effect("Plane refuses none, every refused call left no key, and ten are kept back", () =>
    Effect.gen(function* () {
      const { actor, colleague, plane } = yield* PlaneWorld
      const first = yield* actor()
      const agents = [first, yield* colleague(first.seeded), yield* colleague(first.seeded)]
      const keys = Array.from({ length: 30 }, (_, n) => `flooding-${n}`)
      const { requests, value } = yield* requestsDuring(
        Effect.forEach(
          keys.flatMap((key) => agents.map((agent) => ({ agent, key }))),
          ({ agent, key }) =>
            Effect.map(Effect.exit(create(agent, key)), (exit) => ({
              agent,
              key,
              done: exit._tag === "Success"
            })),
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual(
        requests.filter(({ status }) => status === 429),
        []
      )
      assert.isAtMost(requests.length, perMinute - 10)
      for (const { agent, done, key } of value) {
        assert.strictEqual(yield* keyState(agent, key), done ? "executed" : undefined)
        assert.lengthOf(yield* madeUnder(agent, key), done ? 1 : 0)
      }
      // One by one the rest is used up: a create holds two requests and sends one.
      const { requests: rest } = yield* requestsDuring(
        Effect.gen(function* () {
          for (let n = 0; (yield* outcome(create(first, `one-by-one-${n}`))) === "done"; n++);
        })
      )
      assert.isAtLeast(requests.length + rest.length, perMinute - 11)
      assert.isAtMost(requests.length + rest.length, perMinute - 10)
      const shares = agents.map((agent) => value.filter((one) => one.agent === agent && one.done).length)
      assert.isAtMost(Math.max(...shares) - Math.min(...shares), 2, `shares: ${shares.join(", ")}`)
      assert.lengthOf(yield* plane.writes, value.filter(({ done }) => done).length + rest.length)
    })
  )
})

layer(limited, options)("a call for which too few requests are left", (it) => {
  it.effect("fails before its first request, with the seconds and the code tasker.rate_limited", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor()
      const made = yield* create(agent, "the-card-itself")
      const { issue } = made.structured as { issue: { id: string } }
      // A read costs one: one request is left to writes and reads, and a move costs two.
      for (let reads = 0; (yield* counted) !== perMinute - 11; reads++) {
        assert.isBelow(reads, perMinute)
        yield* call(agent, "tasker_get_issue", { issue_id: issue.id }, `read-${reads}`)
      }
      const move = { issue_id: issue.id, state: "Done", idempotency_key: "move-without-budget" }
      const { requests, value } = yield* requestsDuring(
        refusal(call(agent, "tasker_move_issue", move, "move"))
      )
      assert.deepStrictEqual(
        [`${value.kind}.${value.reason}`, value.retryable],
        ["tasker.rate_limited", true]
      )
      assert.isAtLeast(Number(retryAfter(value)), 6)
      assert.isAtMost(Number(retryAfter(value)), 61)
      assert.include(value.message, "Nothing was sent")
      assert.lengthOf(requests, 0)
      assert.strictEqual(yield* keyState(agent, "move-without-budget"), undefined)
      // The one that is left still serves a read, and then none.
      assert.strictEqual(
        yield* outcome(call(agent, "tasker_get_issue", { issue_id: issue.id }, "last")),
        "done"
      )
      const none = call(agent, "tasker_get_issue", { issue_id: issue.id }, "none")
      assert.strictEqual(yield* outcome(none), "tasker.rate_limited")
      // A create that asks nothing beforehand has reserved its key, and gives it back.
      assert.strictEqual(yield* outcome(create(agent, "create-without-budget")), "tasker.rate_limited")
      assert.strictEqual(yield* keyState(agent, "create-without-budget"), undefined)
    })
  )

  it.effect("is settled with the ten that are kept back", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      yield* plane.send("DELETE", "/rates")
      const { database } = yield* PlaneWorld
      yield* database`update plane_budgets set made = '[]'`.pipe(Effect.orDie)
      const agent = yield* actor()
      yield* plane.fault({ op: "create", fault: "cut_after" })
      assert.strictEqual(yield* outcome(create(agent, "lost-reply")), "tasker.outcome_unknown")
      while ((yield* outcome(call(agent, "tasker_list_issues", {}, "read"))) === "done");
      assert.strictEqual(yield* outcome(create(agent, "another-card")), "tasker.rate_limited")
      assert.strictEqual(yield* outcome(create(agent, "lost-reply")), "done")
      assert.lengthOf(yield* madeUnder(agent, "lost-reply"), 1)
    })
  )
})

layer(limited, options)("what the gateway counts", (it) => {
  it.effect("is what Plane received, and what a call asked for in vain is given back", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor()
      const { requests } = yield* requestsDuring(create(agent, "cold-create"))
      yield* eventuallyCounted(requests.length)
      const { requests: more } = yield* requestsDuring(create(agent, "warm-create"))
      assert.lengthOf(more, 1)
      yield* eventuallyCounted(requests.length + 1)
    })
  )

  it.effect("includes what others send under the key, as far as Plane says it", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      yield* Effect.forEach(Array.from({ length: 30 }), () => plane.request("/api/v1/users/me/"))
      yield* call(agent, "tasker_list_issues", {}, "read")
      const received = Effect.map(plane.requests, (requests) => requests.length)
      yield* eventuallyCounted(yield* received)
      const outcomes = yield* Effect.forEach(Array.from({ length: 40 }), (_, n) =>
        outcome(call(agent, "tasker_list_issues", {}, `read-${n}`))
      )
      assert.include(outcomes, "tasker.rate_limited")
      assert.deepStrictEqual(
        (yield* plane.requests).filter(({ status }) => status === 429),
        []
      )
    })
  )
})

layer(planeWorld({ plane: { rate_limit: 30 } }), options)("a limit of Plane's below the setting", (it) => {
  it.effect("is learnt from what Plane says in its responses, before it refuses anything", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      const reads = Array.from({ length: 40 }, (_, n) => call(agent, "tasker_list_issues", {}, `read-${n}`))
      const outcomes = yield* Effect.forEach(reads, outcome)
      assert.deepStrictEqual([...new Set(outcomes)], ["done", "tasker.rate_limited"])
      assert.deepStrictEqual(
        (yield* plane.requests).filter(({ status }) => status === 429),
        []
      )
    })
  )
})

layer(planeWorld(), options)("a 429 of Plane's", (it) => {
  it.effect("holds the key for its Retry-After, in which nothing is sent, and leaves no key of a write", () =>
    Effect.gen(function* () {
      const { actor, plane } = yield* PlaneWorld
      const agent = yield* actor()
      yield* create(agent, "warm-create")
      yield* plane.fault({ op: "create", fault: "rate_limit", retry_after: 40 })
      const first = yield* refusal(create(agent, "refused-create"))
      assert.deepStrictEqual([first.reason, retryAfter(first)], ["rate_limited", 40])
      assert.strictEqual(yield* keyState(agent, "refused-create"), undefined)
      yield* eventuallyHeld
      const { requests, value } = yield* requestsDuring(
        refusal(call(agent, "tasker_list_issues", {}, "next"))
      )
      assert.strictEqual(value.reason, "rate_limited")
      assert.isAtLeast(Number(retryAfter(value)), 30)
      assert.lengthOf(requests, 0)
    })
  )
})

const member = (email: string, api_key: string) => (plane: PlaneControl) =>
  plane.project({ workspace_slug: "keys", members: [{ email, api_key }] })

layer(
  planeWorld({
    before: member("agents@example.test", "plane_api_second"),
    variables: { PLANE_API_KEYS: "plane_api_test,plane_api_second" }
  }),
  options
)("two keys of one account", (it) => {
  it.effect("share the requests, once Plane has named the account of both", () =>
    Effect.gen(function* () {
      const { database } = yield* PlaneWorld
      const { card, projectId, tasker, who } = yield* bench()
      const issue_id = yield* card()
      const keys = Effect.map(
        database<{ keys: number }>`select count(*)::int as keys from plane_budgets where made <> '[]'`,
        ([row]) => row?.keys ?? 0
      )
      yield* eventually(
        "both keys are used",
        Effect.andThen(
          tasker.issue(who(), { project_id: projectId, issue_id }),
          Effect.map(keys, (used) => used === 2)
        )
      )
    })
  )
})

layer(
  planeWorld({
    before: member("ivan@example.test", "plane_api_ivan"),
    variables: { PLANE_API_KEYS: "plane_api_test,plane_api_ivan" }
  }),
  options
)("two keys of different accounts", (it) => {
  it.effect("make every call fail with the name of the setting, and nothing is sent", () =>
    Effect.gen(function* () {
      const { actor } = yield* PlaneWorld
      const agent = yield* actor()
      const tasker = yield* TaskerAdapter
      yield* eventually(
        "the accounts are compared",
        Effect.map(tasker.available, (isAvailable) => !isAvailable)
      )
      const { requests, value } = yield* requestsDuring(refusal(create(agent, "two-accounts")))
      assert.strictEqual(`${value.kind}.${value.reason}`, "tasker.unavailable")
      assert.include(value.message, "PLANE_API_KEYS holds keys of several accounts")
      assert.lengthOf(requests, 0)
      assert.strictEqual(yield* keyState(agent, "two-accounts"), undefined)
      assert.match((yield* tasker.warnings).join(" "), /PLANE_API_KEYS/)
    })
  )
})

layer(limited, options)("two instances", (it) => {
  it.effect("share the requests of a key", () =>
    Effect.gen(function* () {
      const { database } = yield* PlaneWorld
      const { card, projectId, requestsOf, tasker, who } = yield* bench()
      const issue_id = yield* card()
      const second = yield* Layer.build(
        PlaneAdapter.layer.pipe(
          Layer.provide(Layer.succeed(PgClient.PgClient, database)),
          Layer.provide(Layer.succeed(Settings, yield* Settings))
        )
      )
      const twin = Context.get(second, TaskerAdapter)
      const asked = yield* requestsOf(
        Effect.forEach(
          Array.from({ length: 80 }, (_, n) => (n % 2 === 0 ? tasker : twin)),
          (instance) => Effect.exit(instance.issue(who(), { project_id: projectId, issue_id })),
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual(
        asked.filter(({ status }) => status === 429),
        []
      )
      assert.isAtMost(asked.length, perMinute - 10)
      assert.isAtLeast(asked.length, perMinute - 20)
    })
  )
})
