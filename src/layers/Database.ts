import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Option, type Redacted } from "effect"
import { GatewayConfig } from "../Config.ts"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import * as Migrations from "./Migrations.ts"

/** The shortest that a statement may hang before the database ends it; callers give up a little earlier. */
const statementTimeout = "6s"

const connect = (url: Redacted.Redacted<string>, maxConnections: number) =>
  PgClient.make({
    url,
    maxConnections,
    connectTimeout: "5 seconds",
    applicationName: "tasker-codex-api",
    startupParameters: { statement_timeout: statementTimeout, idle_in_transaction_session_timeout: "15s" }
  })

/** The database to use: the one that is named, else an embedded one under `DATA_DIR`. */
const databaseUrl = Effect.gen(function* () {
  const settings = yield* GatewayConfig
  if (Option.isSome(settings.databaseUrl)) return settings.databaseUrl.value
  const embedded = yield* EmbeddedPostgres.start({ dataDir: settings.dataDir })
  return embedded.url
})

/**
 * A pool of connections to a database that is up to date: migrations run before anything else may use
 * it. A pool is lazy, so it is here that a database which is out or refuses us is told at start-up.
 */
export const layer = PgClient.layerFrom(
  Effect.gen(function* () {
    const settings = yield* GatewayConfig
    const url = yield* databaseUrl
    const owner = Option.getOrElse(settings.migrationDatabaseUrl, () => url)
    if (Option.isNone(settings.migrationDatabaseUrl) && Option.isSome(settings.databaseUrl)) {
      yield* Effect.logInfo(
        "MIGRATION_DATABASE_URL is not set: DATABASE_URL serves both for migrations and for calls"
      )
    }
    const done = yield* Effect.scoped(
      Effect.flatMap(connect(owner, 1), (client) =>
        Effect.provideService(Migrations.migrate(), PgClient.PgClient, client)
      )
    )
    for (const migration of done) {
      yield* Effect.logInfo(`Migrated the database: ${migration.version} ${migration.name}`)
    }
    return yield* connect(url, 10)
  })
)
