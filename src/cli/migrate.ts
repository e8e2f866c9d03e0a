import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import * as Database from "../layers/database/Database.ts"
import { environment } from "../layers/environment.ts"
import * as Logging from "../layers/Logging.ts"
import * as SettingsLive from "../layers/SettingsLive.ts"

/** `npm run migrate`: brings the database up to this code and says what was done. */
Effect.suspend(() =>
  Effect.logInfo("The database is up to date").pipe(
    Effect.provide(Database.layer),
    Effect.provide(Logging.layer),
    Effect.provide(SettingsLive.layer(environment()))
  )
).pipe(
  Effect.tapError((failure) => Effect.sync(() => process.stderr.write(`${failure.message}\n`))),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
