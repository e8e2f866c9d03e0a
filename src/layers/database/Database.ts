import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Option, type Redacted, Schedule, Schema } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { Settings } from "../../Config.ts"
import * as CallRole from "./CallRole.ts"
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

/**
 * Settings of the sessions that calls use. The longest that a statement may run: whoever waits for it gives up a
 * little earlier (`storage.ts`). A commit is acknowledged when it is on disk, whatever the server's default is.
 */
const callSettings = {
  statement_timeout: "6s",
  idle_in_transaction_session_timeout: "15s",
  synchronous_commit: "on"
}

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

/** A connection to the database, and the setting that names it. */
interface Way {
  readonly url: Redacted.Redacted<string>
  readonly variable: "DATABASE_URL" | "MIGRATION_DATABASE_URL" | "SEALER_DATABASE_URL"
}

/** The connections of the owner, of calls and of the sealer, some of which may be the same. */
interface Ways {
  readonly owner: Way
  readonly calls: Way
  readonly sealer: Way
}

/** The database that is named, else an embedded one under `DATA_DIR`. */
const ways = Effect.gen(function* () {
  const { databaseUrl, dataDir, migrationDatabaseUrl, sealerDatabaseUrl } = yield* Settings
  if (Option.isNone(databaseUrl)) {
    const { callsUrl, url } = yield* EmbeddedPostgres.start({ dataDir })
    const owner: Way = { url, variable: "DATABASE_URL" }
    return { owner, calls: { url: callsUrl, variable: "DATABASE_URL" }, sealer: owner } satisfies Ways as Ways
  }
  const calls: Way = { url: databaseUrl.value, variable: "DATABASE_URL" }
  const owner = Option.match(migrationDatabaseUrl, {
    onNone: () => calls,
    onSome: (url): Way => ({ url, variable: "MIGRATION_DATABASE_URL" })
  })
  const sealer = Option.match(sealerDatabaseUrl, {
    onNone: () => owner,
    onSome: (url): Way => ({ url, variable: "SEALER_DATABASE_URL" })
  })
  return { owner, calls, sealer }
})

/** A database that is started together with the gateway may be some seconds behind it. */
const patience = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 30 }))

/**
 * Whether there is nothing to migrate for one who could not: the role of calls, alone, as a gateway has it
 * that is never given the owner's connection. Someone else then runs `npm run migrate` before it starts.
 */
const isMigratedByOthers = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const restricted = yield* sql`
    select where not has_schema_privilege(current_schema(), 'create') and to_regclass('schema_migrations') is not null`
  if (restricted.length === 0) return false
  const pending = yield* Migrations.pending
  if (pending === 0) return true
  return yield* new DatabaseUnusable({
    message: `The database of DATABASE_URL lacks ${pending} of this gateway's migrations, and its user may not carry them out. Run \`npm run migrate\` with MIGRATION_DATABASE_URL naming the owner's connection, or set that for the gateway.`
  })
})

/**
 * Brings the database up to this code, over a connection of the owner's, without the time limits of calls;
 * then gives the roles of calls and of the sealer their rights, if those are others.
 */
const migrated = ({ calls, owner, sealer }: Ways) =>
  Effect.scoped(
    Effect.flatMap(connect(owner.url, 1, {}), (client) =>
      Effect.gen(function* () {
        if (yield* isMigratedByOthers) return []
        const done = yield* Migrations.migrate()
        const [callsRole, ownerRole, sealerRole] = [calls, owner, sealer].map(({ url }) =>
          CallRole.roleOf(url)
        )
        if (callsRole !== ownerRole) yield* CallRole.admit(calls.url, "calls")
        if (sealerRole !== ownerRole && sealerRole !== callsRole)
          yield* CallRole.admit(sealer.url, "the sealer")
        return done
      }).pipe(Effect.provideService(PgClient.PgClient, client))
    )
  )

/** Connects once: a pool is lazy, and a wrong password is to be told at start-up. */
const tried = ({ url, variable }: Way) =>
  patiently(
    Effect.scoped(Effect.flatMap(connect(url, 1, {}), (sql) => sql`select 1`)),
    variable,
    "may connect to it"
  )

/** Waits for a database that is starting up, and says what is wrong with one that can't be used. */
const patiently = <A, E, R>(
  using: Effect.Effect<A, E | SqlError, R>,
  variable: string,
  needs: string
): Effect.Effect<A, Exclude<E, SqlError> | DatabaseUnusable, R> =>
  using.pipe(
    Effect.tapError((error) =>
      isSqlError(error) && isOutage(error)
        ? Effect.logWarning(`The database of ${variable} is not there yet: ${reasonOf(error)}`)
        : Effect.void
    ),
    Effect.retry({ schedule: patience, while: (error) => isSqlError(error) && isStarting(error) }),
    Effect.catch((error) =>
      Effect.fail(
        isSqlError(error)
          ? new DatabaseUnusable({
              message: `The database of ${variable} can't be used: ${reasonOf(error)}. Check that it runs, that ${variable} names it, and that its user ${needs}.`
            })
          : (error as Exclude<E, SqlError>)
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

/** The sealer's own connections, under a role that calls can't use. */
export class SealerConnections extends Context.Service<SealerConnections, PgClient.PgClient>()(
  "tasker-codex-api/layers/database/SealerConnections"
) {}

/** Gives what needs a `PgClient` the sealer's. */
export const asSealer = Layer.effect(PgClient.PgClient, SealerConnections)

/**
 * Pools of connections to a database that is up to date: migrations run before anything else may use
 * it. A pool is lazy, so it is here that a database which is out or refuses us is told at start-up.
 */
export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const settings = yield* Settings
    const found = yield* ways
    if (Option.isSome(settings.databaseUrl) && Option.isNone(settings.migrationDatabaseUrl)) {
      yield* Effect.logInfo(
        "MIGRATION_DATABASE_URL is not set: DATABASE_URL serves both for migrations and for calls"
      )
    }
    const done = yield* patiently(migrated(found), found.owner.variable, "may create tables there")
    for (const migration of done) {
      yield* Effect.logInfo(`Migrated the database: ${migration.version} ${migration.name}`)
    }
    yield* tried(found.calls)
    const calls = yield* connect(found.calls.url, 10, callSettings)
    if (found.sealer === found.calls) return contextOf(calls, calls)
    yield* tried(found.sealer)
    return contextOf(calls, yield* connect(found.sealer.url, 2, callSettings))
  })
).pipe(Layer.provide(Reactivity.layer))

const contextOf = (calls: PgClient.PgClient, sealer: PgClient.PgClient) =>
  Context.make(PgClient.PgClient, calls).pipe(
    Context.add(SqlClient.SqlClient, calls),
    Context.add(SealerConnections, sealer)
  )
