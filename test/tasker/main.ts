import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Console, Effect, Exit, Logger, Schema } from "effect"
import { defaultProfile, Profile } from "./Switches.ts"
import { startTasker } from "./Tasker.ts"

/** The reference Tasker as a process: one line of JSON once it listens, and nothing else on stdout. */

/** 0 is any free port. */
const PortOrAny = Schema.FiniteFromString.check(
  Schema.isInt(),
  Schema.isBetween({ minimum: 0, maximum: 65_535 })
)

const settings = Config.all({
  port: Config.schema(PortOrAny, "TASKER_PORT").pipe(Config.withDefault(8090)),
  host: Config.String("TASKER_HOST").pipe(Config.withDefault("127.0.0.1")),
  profile: Config.schema(Profile, "TASKER_PROFILE").pipe(Config.withDefault(defaultProfile)),
  databaseUrl: Config.Redacted("TASKER_DATABASE_URL"),
  schema: Config.String("TASKER_SCHEMA").pipe(Config.withDefault("tasker")),
  accessToken: Config.Redacted("TASKER_ACCESS_TOKEN")
})

const main = Effect.gen(function* () {
  const { url } = yield* startTasker(yield* settings)
  yield* Console.log(JSON.stringify({ listening: url }))
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapCause((cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("The reference Tasker failed", cause)
  ),
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
)

NodeRuntime.runMain(main, {
  // It is reported above, to stderr.
  disableErrorReporting: true,
  // Being told to stop is no failure.
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
})
