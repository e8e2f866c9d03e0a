import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Console, Effect, Exit, Logger, Schema } from "effect"
import { startPlane } from "./Plane.ts"
import { measured } from "./Settings.ts"

/** Runs the reference Plane as a process: one line of JSON once it listens, and nothing else on stdout. */

const Port = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 }))
const Limit = Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))

const settings = Config.all({
  port: Config.schema(Port, "PLANE_PORT").pipe(Config.withDefault(8091)),
  databaseUrl: Config.Redacted("PLANE_DATABASE_URL"),
  schema: Config.String("PLANE_SCHEMA").pipe(Config.withDefault("plane")),
  apiKey: Config.Redacted("PLANE_API_KEY"),
  /** Requests per minute and key; 0 is no limit. */
  rateLimit: Config.schema(Limit, "PLANE_RATE_LIMIT").pipe(Config.withDefault(measured.rate_limit))
})

const main = Effect.gen(function* () {
  const { rateLimit, ...options } = yield* settings
  const { url } = yield* startPlane({ ...options, settings: { rate_limit: rateLimit } })
  yield* Console.log(JSON.stringify({ listening: url }))
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapCause((cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("The reference Plane failed", cause)
  ),
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
)

NodeRuntime.runMain(main, {
  // It is reported above, to stderr.
  disableErrorReporting: true,
  // A signal to stop is no failure.
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
})
