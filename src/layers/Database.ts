import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Option, type Redacted, Schedule, Schema } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { Settings } from "../Config.ts"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import * as Migrations from "./Migrations.ts"
import { isOutage } from "./storage.ts"

/**
 * The database that is named can't be used. Says which setting names it, never its value: a URL holds
 * a password.
 */
class DatabaseUnusable extends Schema.TaggedError<DatabaseUnusable>()("DatabaseUnusable", {
  message: Schema.String
}) {}

/** The longest that a call's statement may run; whoever waits for it gives up a little earlier (`storage.ts`). */
const callTimeouts = { statement_timeout: "6s", idle_in_transaction_session_timeout: "15s" }

const connect = (
  url: Redacted.Redacted<string>,
  maxConnections: number,
  startupParameters: Readonly<Record<string, string>>
) =>
  PgClient.make({
    url,
    maxConnections,
    startupParameters,
    connectTimeout: "5 seconds",
    applicationName: "tasker-codex-api"
  })

/** The database to use: the one that is named, else an embedded one under `DATA_DIR`. */
const databaseUrl = Effect.gen(function* () {
  const settings = yield* Settings
  if (Option.isSome(settings.databaseUrl)) return settings.databaseUrl.value
  const embedded = yield* EmbeddedPostgres.start({ dataDir: settings.dataDir })
  return embedded.url
})

/** A database that is started together with the gateway may be some seconds behind it. */
const patience = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 30 }))

/** Brings the database up to this code, over a connection of the owner's, without the time limits of calls. */
const migrated = (owner: Redacted.Redacted<string>, variable: string) =>
  Effect.scoped(
    Effect.flatMap(connect(owner, 1, {}), (client) =>
      Effect.provideService(Migrations.migrate(), PgClient.PgClient, client)
    )
  ).pipe(
    Effect.tapError((error) =>
      isSqlError(error) && isOutage(error)
        ? Effect.logWarning(`The database of ${variable} is not there yet: ${reasonOf(error)}`)
        : Effect.void
    ),
    Effect.retry({ schedule: patience, while: (error) => isSqlError(error) && isStarting(error) }),
    Effect.catchTag("SqlError", (error) =>
      Effect.fail(
        new DatabaseUnusable({
          message: `The database of ${variable} can't be used: ${reasonOf(error)}. Check that it runs, that ${variable} names it, and that its user may create tables there.`
        })
      )
    )
  )

/** Wrong credentials don't fix themselves; a server that can't be reached or is starting up may. */
const isStarting = (error: SqlError): boolean =>
  isOutage(error) && error.reason._tag !== "AuthenticationError"

const reasonOf = (error: SqlError): string => {
  const { cause } = error.reason
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message
}

/**
 * A pool of connections to a database that is up to date: migrations run before anything else may use
 * it. A pool is lazy, so it is here that a database which is out or refuses us is told at start-up.
 */
export const layer = PgClient.layerFrom(
  Effect.gen(function* () {
    const settings = yield* Settings
    const url = yield* databaseUrl
    const named = Option.isSome(settings.migrationDatabaseUrl)
    if (!named && Option.isSome(settings.databaseUrl)) {
      yield* Effect.logInfo(
        "MIGRATION_DATABASE_URL is not set: DATABASE_URL serves both for migrations and for calls"
      )
    }
    const owner = Option.getOrElse(settings.migrationDatabaseUrl, () => url)
    const done = yield* migrated(owner, named ? "MIGRATION_DATABASE_URL" : "DATABASE_URL")
    for (const migration of done) {
      yield* Effect.logInfo(`Migrated the database: ${migration.version} ${migration.name}`)
    }
    return yield* connect(url, 10, callTimeouts)
  })
)
