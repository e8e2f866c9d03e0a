import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/Config.ts"
import type { TaskerCapabilities } from "../../src/domain/Tasker.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import * as routes from "../../src/http/routes.ts"
import { serve } from "../../src/http/Server.ts"
import * as GrantPolicyLive from "../../src/layers/calls/GrantPolicyLive.ts"
import * as ReadinessLive from "../../src/layers/ReadinessLive.ts"
import * as TextsLive from "../../src/layers/texts/TextsLive.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { AuditProof } from "../../src/services/AuditProof.ts"
import { Authorization } from "../../src/services/Authorization.ts"
import { Logins } from "../../src/services/Logins.ts"
import { OAuthClients } from "../../src/services/OAuthClients.ts"
import { Operations } from "../../src/services/Operations.ts"
import { Pairing } from "../../src/services/Pairing.ts"
import { Readiness, type Readings } from "../../src/services/Readiness.ts"
import { TaskerAdapter } from "../../src/services/TaskerAdapter.ts"
import { Timeline } from "../../src/services/Timeline.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { Tools } from "../../src/tools/Tools.ts"

const token = "internal-token-of-a-test-gateway-1234"
const unknown: TaskerCapabilities = {
  filters: "unknown",
  paging: "unknown",
  external_id_lookup: "unknown",
  repeat_detection: "unknown",
  version_checks: "unknown",
  comment_listing: "unknown"
}
const taskerCapabilities: TaskerCapabilities = { ...unknown, filters: "no", paging: "yes" }
const warnings = ["Tasker ignores filters."]

const get = (readings: Readings, path: string, bearer?: string) =>
  Effect.gen(function* () {
    const { listenOrigin } = yield* Addresses
    return yield* Effect.promise(async () => {
      const response = await fetch(`${listenOrigin}${path}`, {
        headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
      })
      return [response.status, (await response.json()) as object] as const
    })
  }).pipe(
    Effect.provide(
      serve(routes.layer).pipe(
        Layer.provide(
          Layer.succeed(Readiness, {
            check: Effect.succeed(readings),
            operators: Effect.succeed({ taskerCapabilities, warnings })
          })
        ),
        Layer.provide(Layer.mock(AgentRegistry)({})),
        Layer.provide(Layer.mock(AuditLog)({})),
        Layer.provide(Layer.mock(AuditProof)({})),
        Layer.provide(Layer.mock(Authorization)({})),
        Layer.provide(Layer.mock(Logins)({})),
        Layer.provide(Layer.mock(OAuthClients)({ readsDocuments: false })),
        Layer.provide(NodeCrypto.layerSecureRandom),
        Layer.provide(Layer.mock(Operations)({})),
        Layer.provide(Layer.mock(Pairing)({})),
        Layer.provide(Layer.mock(TaskerAdapter)({ reachable: Effect.succeed("ok") })),
        Layer.provide(TextsLive.layer),
        Layer.provide(Layer.mock(Timeline)({})),
        Layer.provide(Layer.mock(TokenStore)({})),
        Layer.provide(GrantPolicyLive.layer),
        Layer.provide(Layer.mock(Tools)({ names: new Set(), list: () => [] })),
        Layer.provide(
          // A quarter of it goes by before a server stops that was looked at.
          Settings.layer({
            PORT: "0",
            SHUTDOWN_GRACE_SECONDS: "1",
            NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: token
          })
        ),
        Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
      )
    )
  )

const readyz = (readings: Readings, bearer?: string) => get(readings, "/readyz", bearer)

const well = { database: "ok", migrations: "ok", tasker: "ok" } as const

describe("/readyz", () => {
  it.live("shows what Tasker can do, and warnings, only for the internal token", () =>
    Effect.gen(function* () {
      const readings = { ...well, audit: null }
      const open = { status: "ready", checks: well, audit: null }
      const operators = { tasker_capabilities: taskerCapabilities, warnings }
      assert.deepStrictEqual(yield* readyz(readings, token), [200, { ...open, operators }])
      for (const bearer of [undefined, "", `${token}x`, "ndcat_none"]) {
        assert.deepStrictEqual(yield* readyz(readings, bearer), [200, open])
      }
    })
  )

  it.live("/api/v1/meta/capabilities shows what Tasker can do to everyone", () =>
    Effect.gen(function* () {
      const [status, body] = yield* get({ ...well, audit: null }, "/api/v1/meta/capabilities")
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { tasker: taskerCapabilities })
    })
  )

  it.effect("the warnings say what each thing that Tasker can't do costs", () =>
    Effect.gen(function* () {
      const told = (capabilities: TaskerCapabilities) =>
        Effect.flatMap(Readiness, ({ operators }) => operators).pipe(
          Effect.provide(
            ReadinessLive.layer.pipe(
              Layer.provide(Layer.succeed(PgClient, {} as PgClient)),
              Layer.provide(Layer.mock(AuditProof)({})),
              Layer.provide(
                Layer.mock(TaskerAdapter)({
                  reachable: Effect.succeed("ok"),
                  capabilities: Effect.succeed(capabilities),
                  warnings: Effect.succeed(["Paused."])
                })
              )
            )
          )
        )
      assert.deepStrictEqual((yield* told(unknown)).warnings, ["Paused."])
      for (const name of Object.keys(unknown)) {
        const { warnings } = yield* told({ ...unknown, [name]: "no" })
        assert.lengthOf(warnings, 2, name)
        assert.match(warnings[1] ?? "", /^Tasker /)
      }
    })
  )

  it.live.each([
    [{ database: "ok", migrations: "ok", tasker: "ok" }, 200, "ready"],
    [{ database: "ok", migrations: "ok", tasker: "unreachable" }, 200, "degraded"],
    [{ database: "ok", migrations: "ok", tasker: "unconfigured" }, 200, "degraded"],
    [{ database: "ok", migrations: "pending", tasker: "ok" }, 503, "unavailable"],
    [{ database: "unavailable", migrations: "unknown", tasker: "ok" }, 503, "unavailable"]
  ] as const)("names each thing that the gateway needs: %o", ([checks, status, word]) =>
    Effect.map(readyz({ ...checks, audit: null }), (answer) =>
      assert.deepStrictEqual(answer, [status, { status: word, checks, audit: null }])
    )
  )

  it.live("tells how far the sealer is behind, and counts that against nobody", () =>
    Effect.gen(function* () {
      const checks = { database: "ok", migrations: "ok", tasker: "ok" } as const
      const [status, body] = yield* readyz({ ...checks, audit: { events: 10_000, oldestSeconds: 86_400.5 } })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(body, {
        status: "ready",
        checks,
        audit: { unsealed_events: 10_000, oldest_unsealed_seconds: 86_400.5 }
      })
    })
  )

  it.effect(
    "looks once a second at most, however many ask, so that asking takes nothing from those who work",
    () =>
      Effect.gen(function* () {
        const looks = { database: 0, tasker: 0 }
        const database = () =>
          Effect.suspend(() => {
            looks.database++
            return Effect.fail("away")
          })
        const reachable = Effect.suspend(() => {
          looks.tasker++
          return Effect.as(Effect.sleep("100 millis"), "ok" as const)
        })
        const { check } = yield* Effect.provide(
          Readiness,
          ReadinessLive.layer.pipe(
            Layer.provide(Layer.succeed(PgClient, database as unknown as PgClient)),
            Layer.provide(Layer.mock(AuditProof)({})),
            Layer.provide(Layer.mock(TaskerAdapter)({ reachable }))
          )
        )
        const many = Effect.all(
          Array.from({ length: 20 }, () => check),
          { concurrency: "unbounded" }
        )
        const asked = yield* Effect.forkChild(many)
        yield* TestClock.adjust("100 millis")
        const told = { database: "unavailable", migrations: "unknown", tasker: "ok", audit: null }
        assert.deepStrictEqual(yield* Fiber.join(asked), Array(20).fill(told))
        yield* many
        assert.deepStrictEqual(looks, { database: 1, tasker: 1 })
        yield* TestClock.adjust("1 second")
        const again = yield* Effect.forkChild(check)
        yield* TestClock.adjust("100 millis")
        yield* Fiber.join(again)
        assert.deepStrictEqual(looks, { database: 2, tasker: 2 })
      })
  )
})
