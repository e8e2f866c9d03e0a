import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { GatewayConfig } from "../../src/Config.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import * as routes from "../../src/http/routes.ts"
import { serve } from "../../src/http/Server.ts"
import * as GrantPolicyLive from "../../src/layers/GrantPolicyLive.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { type Checks, Readiness } from "../../src/services/Readiness.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { Tools } from "../../src/tools/Tools.ts"

const readyz = (checks: Checks) =>
  Effect.gen(function* () {
    const { listenOrigin } = yield* Addresses
    return yield* Effect.promise(async () => {
      const response = await fetch(`${listenOrigin}/readyz`)
      return [response.status, (await response.json()) as { status: string; checks: Checks }] as const
    })
  }).pipe(
    Effect.provide(
      serve(routes.layer).pipe(
        Layer.provide(Layer.succeed(Readiness, { check: Effect.succeed(checks) })),
        Layer.provide(Layer.mock(AgentRegistry)({})),
        Layer.provide(Layer.mock(AuditLog)({})),
        Layer.provide(Layer.mock(TokenStore)({})),
        Layer.provide(GrantPolicyLive.layer),
        Layer.provide(Layer.mock(Tools)({ names: new Set(), list: () => [] })),
        Layer.provide(GatewayConfig.layer({ PORT: "0" })),
        Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
      )
    )
  )

describe("/readyz", () => {
  it.live.each([
    [{ database: "ok", migrations: "ok", tasker: "ok" }, 200, "ready"],
    [{ database: "ok", migrations: "ok", tasker: "unreachable" }, 200, "degraded"],
    [{ database: "ok", migrations: "ok", tasker: "unconfigured" }, 200, "degraded"],
    [{ database: "ok", migrations: "pending", tasker: "ok" }, 503, "unavailable"],
    [{ database: "unavailable", migrations: "unknown", tasker: "ok" }, 503, "unavailable"]
  ] as const)("names each thing that the gateway needs: %o", ([checks, status, word]) =>
    Effect.map(readyz(checks), (answer) => assert.deepStrictEqual(answer, [status, { status: word, checks }]))
  )
})
