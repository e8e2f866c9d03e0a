import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Redacted, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/**
 * The role that calls run under, where it is another than the one that owns the tables. It may do what
 * calls do and no more: above all it can't change the audit trail or what proves it, nor take their guards
 * away. Seen to by the owner at each start, so that tables of later migrations are never forgotten.
 */

/** To be added to and read. All other tables are worked on, but for the migrations' own, which is read. */
const auditTables: ReadonlySet<string> = new Set([
  "audit_events",
  "audit_seals",
  "audit_checkpoints",
  "audit_keys"
])

/** Any constant serves, so long as nothing else in the database takes the same. */
const lock = 7_305_402_613

const decodeTables = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ name: Schema.String })))

const Standing = Schema.Struct({
  schema: Schema.String,
  database: Schema.String,
  owns_database: Schema.Boolean,
  superuser: Schema.Boolean,
  owns_tables: Schema.Boolean,
  creates: Schema.Boolean
})
const decodeStanding = Schema.decodeUnknownEffect(Schema.Array(Standing))

/** Who connects with a URL. */
export const roleOf = (url: Redacted.Redacted<string>): string =>
  decodeURIComponent(new URL(Redacted.value(url)).username)

const passwordOf = (url: Redacted.Redacted<string>): string =>
  decodeURIComponent(new URL(Redacted.value(url)).password)

const exists = (sql: PgClient, role: string) =>
  Effect.map(sql`select from pg_roles where rolname = ${role}`, (found) => found.length > 0)

/** Makes the role of a URL, with its password, unless it is there. Roles are the whole server's, so somebody may be quicker. */
const create = Effect.fnUntraced(function* (sql: PgClient, url: Redacted.Redacted<string>) {
  const role = roleOf(url)
  if (yield* exists(sql, role)) return false
  const [{ statement } = { statement: "" }] = yield* sql<{ statement: string }>`
    select format(
      'create role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password %L',
      ${role}::text, ${passwordOf(url)}::text
    ) as statement`
  return yield* sql.unsafe(statement).unprepared.pipe(
    Effect.as(true),
    Effect.catch((error) =>
      Effect.flatMap(exists(sql, role), (made) => (made ? Effect.succeed(false) : Effect.fail(error)))
    )
  )
})

const rightsOn = (table: string): string => {
  if (table === "schema_migrations") return "select"
  return auditTables.has(table) ? "select, insert" : "select, insert, update, delete"
}

const grant = Effect.fnUntraced(function* (sql: PgClient, role: string) {
  yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
  const tables = yield* Effect.flatMap(
    sql`
      select relname as name from pg_class
      where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
        and relowner = current_user::regrole
      order by relname`,
    decodeTables
  )
  for (const { name } of tables) {
    yield* sql`revoke all on table ${sql(name)} from ${sql(role)}`
    yield* sql`grant ${sql.literal(rightsOn(name))} on table ${sql(name)} to ${sql(role)}`
  }
  const [standing] = yield* Effect.flatMap(
    sql`
      select current_schema() as schema, d.datname as database,
        d.datdba = current_user::regrole as owns_database, r.rolsuper as superuser,
        pg_has_role(r.oid, current_user, 'member') as owns_tables,
        has_schema_privilege(r.oid, current_schema(), 'create') as creates
      from pg_roles r, pg_database d
      where r.rolname = ${role} and d.datname = current_database()`,
    decodeStanding
  )
  if (standing === undefined) return undefined
  yield* sql`grant usage on schema ${sql(standing.schema)} to ${sql(role)}`
  // PostgreSQL looks for a table among the temporary ones first: one called audit_events would swallow events.
  if (standing.owns_database) {
    yield* sql`revoke temporary on database ${sql(standing.database)} from public`
  }
  return standing
})

/**
 * Makes the role of `url` if need be, over the owner's connection, and gives it its rights, taking away
 * whatever else it had on the gateway's tables. Says in the log where the role has more by other ways.
 */
export const admit = (
  url: Redacted.Redacted<string>
): Effect.Effect<void, SqlError | Schema.SchemaError, PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient
    const role = roleOf(url)
    if (yield* create(sql, url)) yield* Effect.logInfo(`Made the database role ${role} for calls`)
    const standing = yield* sql.withTransaction(grant(sql, role))
    if (standing === undefined) return
    const { creates, owns_tables, superuser } = standing
    if (superuser || owns_tables || creates) {
      const why = superuser
        ? "it is a superuser"
        : owns_tables
          ? "it may act as their owner"
          : "it may create tables"
      yield* Effect.logWarning(
        `The database role ${role}, which calls run under, could get at the audit trail: ${why}. Name another one in DATABASE_URL.`
      )
    }
  })
