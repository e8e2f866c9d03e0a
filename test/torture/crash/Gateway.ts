import { randomBytes } from "node:crypto"
import { Effect, type Scope } from "effect"
import { launch, script } from "../../support/programs.ts"
import { databaseTap } from "./DatabaseTap.ts"
import { httpTap } from "./HttpTap.ts"
import { type Place, settleAfterMillis } from "./Place.ts"
import { until } from "./until.ts"
import { makeWatch, type Watch } from "./Watch.ts"

/**
 * A gateway as `npm start` runs it, in a process of its own, of which all that it says to clients, to the
 * database and to Tasker, and all that it is told, passes a watch.
 */
export interface Gateway {
  /** Where clients reach it, without a slash at the end. */
  readonly url: string
  readonly internalToken: string
  readonly watch: Watch
  /** Lets recovery begin, where it was held back. */
  readonly letRecover: Effect.Effect<void>
  /** SIGKILL. Ends once it is dead, and what it had asked before is over in the database and in Tasker. */
  readonly kill: Effect.Effect<void>
}

/** What recovery, which runs in every gateway, takes writes over by. Each held statement keeps a connection. */
const takesWhatIsDue =
  /for update skip locked[^;]*update idempotency_keys k\s+set (state = 'in_progress'|check_at)/i

const listening = /Listening on (http:\/\/[\w.:[\]]+)/

type Recovery = keyof typeof settleAfterMillis

const run = (place: Place, recovery: Recovery, variables: Readonly<Record<string, string>>) =>
  launch(script("src/main.ts"), {
    env: {
      ...place.variables,
      NODE_ENV: "test",
      LOG_LEVEL: "info",
      PORT: "0",
      TASKER_SETTLE_AFTER_MS: String(settleAfterMillis[recovery]),
      ...variables
    }
  })

/** A gateway that starts and is told to stop: only one that ends by itself leaves a compile cache for the next. */
export const warmUp = (place: Place): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* run(place, "runs", { DATABASE_URL: place.databaseUrl })
    yield* program.until(listening, 60)
    yield* program.signal("SIGTERM")
    yield* program.ended
  })

/** Starts one at a place, until the scope closes. */
export const startGateway = (place: Place, recovery: Recovery): Effect.Effect<Gateway, never, Scope.Scope> =>
  Effect.gen(function* () {
    const watch = makeWatch()
    let url = ""
    const database = yield* databaseTap(
      place.databaseUrl,
      watch,
      recovery === "runs" ? undefined : takesWhatIsDue
    )
    const tasker = yield* httpTap(
      () => place.tasker.url,
      watch,
      (trace, { method = "", url = "" }) => trace.taskerRequest(method, url)
    )
    const clients = yield* httpTap(
      () => url,
      watch,
      (trace) => trace.call
    )
    const internalToken = randomBytes(24).toString("base64url")
    const program = yield* run(place, recovery, {
      DATABASE_URL: database.url,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      ...place.tasker.gateway(tasker.url)
    })
    url = yield* program.until(listening, 60)
    return {
      url: clients.url,
      internalToken,
      watch,
      letRecover: Effect.sync(database.letGo),
      kill: Effect.gen(function* () {
        yield* program.signal("SIGKILL")
        const how = yield* program.ended
        if (how !== "SIGKILL")
          yield* Effect.die(new Error(`The gateway ended by itself (${how}):\n${program.said()}`))
        yield* until("its statements are over", place.isDeserted)
        yield* until(
          "its requests to Tasker are over",
          Effect.sync(() => tasker.underWay() === 0)
        )
      })
    }
  })
