import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { Settings, variables } from "../../Config.ts"
import { TaskerAdapter } from "../../services/TaskerAdapter.ts"
import * as TaskerGate from "../tasker/TaskerGate.ts"
import * as TaskerSend from "../tasker/TaskerSend.ts"
import * as TaskerLink from "../tasker/taskerLink.ts"
import * as PlaneBudget from "./PlaneBudget.ts"
import * as PlaneAccounts from "./planeAccounts.ts"
import * as PlaneAdmission from "./planeAdmission.ts"
import * as PlaneBoards from "./planeBoards.ts"
import * as PlaneCounter from "./planeCounter.ts"
import * as PlaneExchange from "./planeExchange.ts"
import { makeAdapter } from "./planeService.ts"

const apiPath = "/api/v1"

/** `TaskerAdapter` over Plane's public REST API v1; `docs/PLANE.md` says what each call costs. */
export const layer: Layer.Layer<TaskerAdapter, never, Settings | PgClient> = Layer.effect(
  TaskerAdapter,
  Effect.gen(function* () {
    const settings = yield* Settings
    const { planeKeys: keys, planeRequestsPerMinute, planeUrl, planeViaLine, planeWebUrl } = settings
    if (Option.isNone(planeUrl)) {
      return yield* Effect.die(new Error(`${variables.planeUrl.name} is not set`))
    }
    const timeoutMillis = Duration.toMillis(settings.taskerTimeout)
    // A 429 is about one key, which the budget holds back; only a 503 pauses all calls.
    const { basePath, gate, state, transport } = yield* TaskerLink.make(
      planeUrl.value,
      timeoutMillis,
      TaskerGate.makeFor([503])
    )
    const path = basePath + apiPath
    const counter = yield* PlaneCounter.make(keys)
    const accounts = yield* PlaneAccounts.make(keys, transport, `${path}/users/me/`)
    const budget = yield* PlaneBudget.make(counter, planeRequestsPerMinute, accounts.isUsable)
    const admissions = yield* PlaneAdmission.make(budget, keys, {
      fault: accounts.fault,
      missing: (who, projectId) => boards.missing(who, projectId)
    })
    const exchange = PlaneExchange.make(
      TaskerSend.make(transport, gate, { path, admit: admissions.admit, timeoutMillis }),
      gate,
      {
        secrets: keys.map(Redacted.value),
        setting: variables.planeKeys.name,
        address: variables.planeUrl.name
      }
    )
    const boards: PlaneBoards.Boards = yield* PlaneBoards.make(exchange)
    return TaskerAdapter.of({
      ...makeAdapter(exchange, boards, {
        webUrl: Option.getOrElse(planeWebUrl, () => ""),
        viaLine: planeViaLine,
        requests: admissions
      }),
      ...state,
      available: Effect.zipWith(
        state.available,
        accounts.fault,
        (isOpen, fault) => isOpen && fault === undefined
      ),
      warnings: Effect.zipWith(state.warnings, accounts.fault, (warnings, fault) =>
        fault === undefined ? warnings : [...warnings, `${fault.variable} ${fault.fault}: no call is made.`]
      )
    })
  })
)
