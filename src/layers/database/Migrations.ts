import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Predicate, Schema } from "effect"
import { SqlError } from "effect/sql"

/**
 * A change to the schema: `migrations/NNNN_name.sql`, carried out once, in order, never taken back. Calls go on
 * meanwhile, so a file holds no lock for the time of a scan: `test/support/migration-locks.ts` has the rules.
 */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** The database is not one that this code may run on. Nothing was changed. */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  message: Schema.String
}) {}

const folder = new URL("../../../migrations/", import.meta.url)

/** The migrations that this code comes with, read once. */
export const migrations: ReadonlyArray<Migration> = readdirSync(folder)
  .filter((file) => file.endsWith(".sql"))
  .sort()
  .map((file) => {
    const sql = readFileSync(new URL(file, folder), "utf8")
    return {
      version: Number(file.slice(0, 4)),
      name: file.slice(5, -".sql".length),
      sql,
      checksum: createHash("sha256").update(sql).digest("hex")
    }
  })

/** Any constant serves, so long as nothing else in the database takes the same. */
const lock = 7_305_402_611

const decodeApplied = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ version: Schema.Int, name: Schema.String, checksum: Schema.String }))
)

const refuse = (message: string) => new MigrationRefused({ message })

/** What is already applied, held against what this code knows: fails where the two have parted. */
const compare = (
  known: ReadonlyArray<Migration>,
  applied: ReadonlyArray<{ version: number; name: string; checksum: string }>
): Effect.Effect<ReadonlyArray<Migration>, MigrationRefused> => {
  for (const row of applied) {
    const migration = known.find(({ version }) => version === row.version)
    if (migration === undefined) {
      return Effect.fail(
        refuse(
          `The database is newer than this gateway: migration ${row.version} (${row.name}) is not one it knows. Run a gateway that has it; nothing was changed.`
        )
      )
    }
    if (migration.checksum !== row.checksum) {
      return Effect.fail(
        refuse(
          `Migration ${row.version} (${row.name}) was edited after it was applied: its checksum differs from the database's. Restore the file and add a new migration instead; nothing was changed.`
        )
      )
    }
  }
  return Effect.succeed(known.filter(({ version }) => !applied.some((row) => row.version === version)))
}

/**
 * PL/pgSQL's `execute` takes a text of several commands, which a prepared statement does not. The
 * quoting tag is the file's own checksum, so that no file can end it early.
 */
const script = (migration: Migration): string => {
  const tag = `$m${migration.checksum.slice(0, 16)}$`
  return `do $body$ begin execute ${tag}${migration.sql}${tag}; end $body$`
}

const applied = Effect.gen(function* () {
  const sql = yield* PgClient
  return yield* decodeApplied(
    yield* sql`select version, name, checksum from schema_migrations order by version`
  )
})

/** How many of this code's migrations the database lacks. */
export const pending: Effect.Effect<
  number,
  MigrationRefused | SqlError.SqlError | Schema.SchemaError,
  PgClient
> = Effect.flatMap(applied, (rows) => Effect.map(compare(migrations, rows), (left) => left.length))

/** A statement that waits longer for a lock gives way: every call that comes after it waits behind it. */
const lockTimeout = "3s"
const pauses = { busy: Duration.millis(200), blocked: Duration.seconds(1) }
/** How often it is said that another instance migrates. */
const saidEvery = 50

/** The index that a file builds while calls go on. That can't be done in a transaction, so the file does nothing else. */
const concurrentIndex = ({ sql }: Migration): string | undefined =>
  /^create (?:unique )?index concurrently if not exists (\w+)/im.exec(sql)?.[1]

/**
 * What comes of one step. `Busy`: another instance migrates. `Blocked`: a lock was not had in time. `Built`: another
 * instance has built the index meanwhile.
 */
type Step = Migration | "Busy" | "Blocked" | "Built" | "Done"

type Migrating<A> = Effect.Effect<A, MigrationRefused | SqlError.SqlError | Schema.SchemaError, PgClient>

/** The next migration that the database lacks, carried out unless it builds an index. */
const step = (known: ReadonlyArray<Migration>): Migrating<Step> =>
  Effect.flatMap(PgClient, (sql) =>
    Effect.gen(function* () {
      // Without waiting: a statement that waits has a snapshot, for which an index that is built waits in turn.
      const [{ locked }] = yield* decodeLocked(
        yield* sql`select pg_try_advisory_xact_lock(${lock}::bigint) as locked`
      )
      if (!locked) return "Busy" as const
      yield* sql`select set_config('lock_timeout', ${lockTimeout}, true)`
      yield* sql`
        create table if not exists schema_migrations (
          version integer primary key,
          name text not null,
          checksum text not null,
          applied_at timestamptz not null default now()
        )`
      const [migration] = yield* compare(known, yield* applied)
      if (migration === undefined) return "Done" as const
      if (concurrentIndex(migration) !== undefined) return migration
      yield* sql.unsafe(script(migration)).unprepared
      yield* sql.unsafe(insertApplied, rowOf(migration))
      return migration
    }).pipe(
      sql.withTransaction,
      Effect.catchIf(
        (error) => SqlError.isSqlError(error) && error.reason._tag === "LockTimeoutError",
        () => Effect.succeed("Blocked" as const)
      )
    )
  )

const insertApplied =
  "insert into schema_migrations (version, name, checksum) values ($1, $2, $3) on conflict do nothing returning version"

const rowOf = ({ checksum, name, version }: Migration) => [version, name, checksum]

/**
 * Builds an index, which no transaction can do: a session holds the advisory lock. An index that an interrupted
 * build left is invalid, and built anew.
 */
const buildIndex = (migration: Migration, index: string): Migrating<Step> =>
  Effect.scoped(
    Effect.gen(function* () {
      const sql = yield* PgClient
      const session = yield* sql.reserve
      const run = (statement: string) => session.executeUnprepared(statement, [], undefined)
      const [{ locked }] = yield* decodeLocked(yield* run(`select pg_try_advisory_lock(${lock}) as locked`))
      if (!locked) return "Busy" as const
      yield* Effect.addFinalizer(() => Effect.ignore(run(`select pg_advisory_unlock(${lock})`)))
      const invalid = yield* run(
        `select from pg_index where indexrelid = to_regclass('${index}') and not indisvalid`
      )
      if (invalid.length > 0) yield* run(`drop index concurrently if exists ${index}`)
      yield* run(migration.sql)
      const inserted = yield* session.executeUnprepared(insertApplied, rowOf(migration), undefined)
      return inserted.length > 0 ? migration : "Built"
    })
  )

const decodeLocked = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ locked: Schema.Boolean })]))

/**
 * Brings the database up to this code, under an advisory lock, each migration in a transaction of its
 * own. Several instances may do so at once: one works, the others find it done.
 */
export const migrate = (known: ReadonlyArray<Migration> = migrations): Migrating<ReadonlyArray<Migration>> =>
  Effect.gen(function* () {
    const done: Array<Migration> = []
    for (let waits = 0; ; ) {
      const found = yield* step(known)
      const index = Predicate.isString(found) ? undefined : concurrentIndex(found)
      const result =
        Predicate.isString(found) || index === undefined ? found : yield* buildIndex(found, index)
      switch (result) {
        case "Done":
          return done
        case "Busy":
          if (waits++ % saidEvery === 0) {
            yield* Effect.logInfo("Waiting for another instance that migrates the database")
          }
          yield* Effect.sleep(pauses.busy)
          break
        case "Blocked":
          yield* Effect.logWarning(
            `A migration waited ${lockTimeout} for a lock that another session holds; trying again. Look for long transactions in pg_stat_activity.`
          )
          yield* Effect.sleep(pauses.blocked)
          break
        case "Built":
          break
        default:
          done.push(result)
      }
    }
  })
