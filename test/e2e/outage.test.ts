import { randomUUID } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/data-dirs.ts"
import { query } from "../support/database.ts"
import { gateTo } from "../support/gate.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { auditOf, newcomer, operate, Served, send, start } from "../support/served.ts"
import { freshTasker, type TaskerControl } from "../support/tasker.ts"
import { call, doors, post } from "../support/tool-calls.ts"

/** What the gateway says while one of the two that it stands on is out, and how it comes back. */

const between = Effect.gen(function* () {
  const database = yield* freshDatabase
  const tasker = yield* freshTasker(database.url, secret())
  const gates = { database: yield* gateTo(database.url), tasker: yield* gateTo(tasker.url) }
  const internalToken = secret()
  const url = yield* start({
    DATABASE_URL: gates.database.url,
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
    NODEDC_TASKER_INTERNAL_URL: gates.tasker.url.replace(/\/$/, ""),
    NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
    TASKER_SETTLE_AFTER_MS: "0",
    TASKER_TIMEOUT_MS: "1000",
    CALL_DEADLINE_MS: "5000"
  })
  return { tasker, gates, served: Served.of({ url, internalToken, databaseUrl: database.url }) }
})

/** What Tasker was asked but for whether it is there, which readiness asks. */
const calls = (tasker: TaskerControl) =>
  Effect.map(tasker.requests, (requests) => requests.filter(({ op }) => op !== null))

/** Waits until `/readyz` says this; it looks once a second at most. */
const standsAs = (status: number, word: string, checks: object) =>
  eventually(
    Effect.flatMap(send("/readyz"), (reply) =>
      isDeepStrictEqual([reply.status, reply.json.status, reply.json.checks], [status, word, checks])
        ? Effect.void
        : Effect.fail(new Error(`/readyz says ${reply.status} ${reply.text}`))
    )
  )
const health = Effect.map(send("/healthz"), ({ status }) => assert.strictEqual(status, 200))

describe("a database that is out", () => {
  it.live("is 503 gateway.unavailable for every call, Tasker hears nothing, and all goes on by itself", () =>
    Effect.gen(function* () {
      const { gates, served, tasker } = yield* between
      yield* Effect.gen(function* () {
        const { id, project, token } = yield* newcomer(tasker)
        yield* standsAs(200, "ready", { database: "ok", migrations: "ok", tasker: "ok" })

        yield* gates.database.shut
        const before = yield* calls(tasker)
        const card = { project_id: project.id, name: "A card", idempotency_key: `outage-${randomUUID()}` }
        for (const via of doors) {
          for (const [name, args] of [
            ["tasker_create_issue", card],
            ["tasker_list_issues", { project_id: project.id }],
            ["tasker_get_session", {}]
          ] as const) {
            const outcome = yield* call(via, token, name, args)
            assert.strictEqual(outcome.code, "gateway.unavailable")
            assert.isTrue(outcome.error.retryable)
            assert.strictEqual(outcome.status, via === "mcp" ? 200 : 503)
          }
        }
        for (const reply of [
          yield* post(token, "tools/list"),
          yield* send("/api/v1/agent-session", { token }),
          yield* operate(`/api/v1/agents/${id}`),
          yield* operate(`/api/v1/agents/${id}/tokens`, { body: { name: "during the outage" } })
        ]) {
          assert.strictEqual(reply.status, 503)
          assert.strictEqual(reply.json.code, "gateway.unavailable")
          assert.isDefined(reply.headers["retry-after"])
        }
        yield* health
        yield* standsAs(503, "unavailable", {
          database: "unavailable",
          migrations: "unknown",
          tasker: "ok"
        })
        assert.deepStrictEqual(yield* calls(tasker), before)

        yield* gates.database.open
        const outcome = yield* eventually(
          Effect.flatMap(call("mcp", token, "tasker_create_issue", card), (came) =>
            came.code === undefined ? Effect.succeed(came) : Effect.fail(came.code)
          )
        )
        assert.isFalse(outcome.content.replayed)
        assert.strictEqual((yield* tasker.writes).length, 1)
        const { json } = yield* operate(`/api/v1/agents/${id}/tokens`)
        assert.strictEqual(json.tokens.length, 1)
      }).pipe(Effect.provideService(Served, served))
    })
  )

  it.live("is the same where it says nothing any more, in its own time", () =>
    Effect.gen(function* () {
      const { gates, served, tasker } = yield* between
      yield* Effect.gen(function* () {
        const { project, token } = yield* newcomer(tasker)
        yield* gates.database.mute
        const before = yield* calls(tasker)
        const started = performance.now()
        const outcomes = yield* Effect.all(
          [
            call("rest", token, "tasker_get_session", {}),
            call("mcp", token, "tasker_create_issue", {
              ...{ project_id: project.id, name: "A card", idempotency_key: "while-it-is-mute" }
            })
          ],
          { concurrency: "unbounded" }
        )
        assert.isBelow(performance.now() - started, 120_000)
        for (const { code } of outcomes) assert.strictEqual(code, "gateway.unavailable")
        assert.deepStrictEqual(yield* calls(tasker), before)
        yield* health
        yield* standsAs(503, "unavailable", {
          database: "unavailable",
          migrations: "unknown",
          tasker: "ok"
        })
        yield* gates.database.open
        yield* eventually(
          Effect.flatMap(call("rest", token, "tasker_get_session", {}), ({ code }) =>
            code === undefined ? Effect.void : Effect.fail(code)
          )
        )
      }).pipe(Effect.provideService(Served, served))
    })
  )

  it.live("is told from one that lacks a migration", () =>
    Effect.gen(function* () {
      const { served } = yield* between
      yield* Effect.gen(function* () {
        yield* query`delete from schema_migrations where version = (select max(version) from schema_migrations)`
        yield* standsAs(503, "unavailable", { database: "ok", migrations: "pending", tasker: "ok" })
        yield* health
      }).pipe(Effect.provideService(Served, served))
    })
  )
})

describe("a Tasker that is out", () => {
  it.live("makes the gateway degraded, is tasker.unavailable for its calls, and uses no key up", () =>
    Effect.gen(function* () {
      const { gates, served, tasker } = yield* between
      yield* Effect.gen(function* () {
        const { id, project, token } = yield* newcomer(tasker)
        yield* gates.tasker.shut
        yield* standsAs(200, "degraded", { database: "ok", migrations: "ok", tasker: "unreachable" })
        const card = { project_id: project.id, name: "A card", idempotency_key: "while-it-is-out" }
        const read = yield* call("rest", token, "tasker_list_issues", { project_id: project.id })
        assert.deepStrictEqual([read.status, read.code], [503, "tasker.unavailable"])
        // The gate takes the connection before it breaks it, so whether the write arrived can't be known.
        const write = yield* call("rest", token, "tasker_create_issue", card)
        assert.deepStrictEqual([write.status, write.code], [504, "tasker.outcome_unknown"])
        yield* gates.tasker.open
        const settled = yield* call("rest", token, "tasker_create_issue", card)
        assert.isUndefined(settled.code)
        assert.strictEqual((yield* tasker.writes).length, 1)
        assert.deepStrictEqual(
          (yield* auditOf(id)).filter(({ via }) => via === "rest").map(({ outcome }) => outcome),
          ["executed", "unknown"]
        )
        yield* standsAs(200, "ready", { database: "ok", migrations: "ok", tasker: "ok" })
      }).pipe(Effect.provideService(Served, served))
    })
  )
})
