import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import type { SqlError } from "effect/sql"

/** A change to the schema: `migrations/NNNN_name.sql`, carried out once, in order, never taken back. */
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

/**
 * Brings the database up to this code, under an advisory lock, each migration in a transaction of its
 * own. Several instances may do so at once: one works, the others find it done.
 */
export const migrate = (
  known: ReadonlyArray<Migration> = migrations
): Effect.Effect<
  ReadonlyArray<Migration>,
  MigrationRefused | SqlError.SqlError | Schema.SchemaError,
  PgClient
> =>
  Effect.gen(function* () {
    const sql = yield* PgClient
    const locked = sql`select pg_advisory_xact_lock(${lock}::bigint)`
    const next = sql.withTransaction(
      Effect.gen(function* () {
        yield* locked
        yield* sql`
          create table if not exists schema_migrations (
            version integer primary key,
            name text not null,
            checksum text not null,
            applied_at timestamptz not null default now()
          )`
        const [migration] = yield* compare(known, yield* applied)
        if (migration === undefined) return undefined
        yield* sql.unsafe(script(migration)).unprepared
        yield* sql`
          insert into schema_migrations (version, name, checksum)
          values (${migration.version}, ${migration.name}, ${migration.checksum})`
        return migration
      })
    )
    const done: Array<Migration> = []
    for (let migration = yield* next; migration !== undefined; migration = yield* next) done.push(migration)
    return done
  })
