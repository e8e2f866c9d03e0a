import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Redacted, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/**
 * The roles that calls and the sealer run under, if they are others than the one that owns the tables. The
 * role of calls may do what calls do and no more: above all it can't change the audit trail or add to what
 * proves it, nor take their guards away. Seen to by the owner at each start, so that tables of later migrations
 * are never forgotten.
 */

export type Purpose = "calls" | "the sealer"

/** Rights by purpose on the tables that calls may not change. On all others calls have every right, the sealer none. */
const tableRights: Readonly<Record<string, Readonly<Record<Purpose, "none" | "read" | "add" | "lock">>>> = {
  audit_events: { calls: "add", "the sealer": "read" },
  audit_seals: { calls: "read", "the sealer": "add" },
  audit_checkpoints: { calls: "read", "the sealer": "add" },
  audit_keys: { calls: "read", "the sealer": "add" },
  used_keys: { calls: "add", "the sealer": "none" },
  // A lock on its row is what sealing is held up by.
  audit_sealing: { calls: "none", "the sealer": "lock" }
}

/** Any constant serves, so long as nothing else in the database takes the same. */
const lock = 7_305_402_613

const decodeTables = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      /** All but those that PostgreSQL itself gives a value: an event's place in the table is one. */
      columns: Schema.Array(Schema.String)
    })
  )
)

const Standing = Schema.Struct({
  schema: Schema.String,
  superuser: Schema.Boolean,
  owns_tables: Schema.Boolean,
  creates: Schema.Boolean,
  temporary: Schema.Boolean,
  /** Audit tables that are another's, whose rights could not be set. */
  foreign_tables: Schema.Int
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

/**
 * Returns the rights to grant, undefined for none. An event's position may not be said by its writer: one of
 * far ahead would have everything before it taken for sealed (`auditHorizon.ts`). So it is the columns that may
 * be inserted into.
 */
const rightsOn = (
  sql: PgClient,
  { columns, name }: { name: string; columns: ReadonlyArray<string> },
  purpose: Purpose
) => {
  const rights = tableRights[name]?.[purpose] ?? (purpose === "calls" ? "all" : "none")
  if (name === "schema_migrations") return purpose === "calls" ? sql`select` : undefined
  switch (rights) {
    case "none":
      return undefined
    case "read":
      return sql`select`
    case "add":
      return name === "audit_events"
        ? sql`select, insert (${sql.csv(columns.map((column) => sql`${sql(column)}`))})`
        : sql`select, insert`
    case "lock":
      return sql`select, update`
    case "all":
      return sql`select, insert, update, delete`
  }
}

const grant = Effect.fnUntraced(function* (sql: PgClient, role: string, purpose: Purpose) {
  yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
  const tables = yield* Effect.flatMap(
    sql`
      select relname as name, array(
          select attname::text from pg_attribute
          where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attidentity = ''
          order by attnum
        ) as columns
      from pg_class
      where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
        and relowner = current_user::regrole
      order by relname`,
    decodeTables
  )
  for (const table of tables) {
    const name = sql(table.name)
    yield* sql`revoke all on table ${name} from ${sql(role)}`
    const rights = rightsOn(sql, table, purpose)
    if (rights !== undefined) yield* sql`grant ${rights} on table ${name} to ${sql(role)}`
  }
  // PostgreSQL looks for a table among the temporary ones first: one called audit_events would swallow events.
  const [ours] = yield* Effect.flatMap(
    sql`
      select datname as name, '{}'::text[] as columns from pg_database
      where datname = current_database() and datdba = current_user::regrole`,
    decodeTables
  )
  if (ours !== undefined) {
    yield* sql`revoke temporary on database ${sql(ours.name)} from public, ${sql(role)}`
  }
  const [standing] = yield* Effect.flatMap(
    sql`
      select current_schema() as schema, r.rolsuper as superuser,
        pg_has_role(r.oid, current_user, 'member')
          or coalesce(bool_or(pg_has_role(r.oid, c.relowner, 'member')), false) as owns_tables,
        has_schema_privilege(r.oid, current_schema(), 'create') as creates,
        has_database_privilege(r.oid, current_database(), 'temporary') as temporary,
        count(*) filter (where c.relowner <> current_user::regrole)::integer as foreign_tables
      from pg_roles r
        left join pg_class c on c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
          and c.relname in ${sql.in(Object.keys(tableRights))}
      where r.rolname = ${role}
      group by r.oid, r.rolsuper`,
    decodeStanding
  )
  if (standing === undefined) return undefined
  yield* sql`grant usage on schema ${sql(standing.schema)} to ${sql(role)}`
  return standing
})

/**
 * Makes the role of `url` if need be, over the owner's connection, and gives it its rights, taking away
 * whatever else it had on the gateway's tables. Says in the log where the role has more by other ways.
 */
export const admit = (
  url: Redacted.Redacted<string>,
  purpose: Purpose
): Effect.Effect<void, SqlError | Schema.SchemaError, PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient
    const role = roleOf(url)
    if (yield* create(sql, url)) yield* Effect.logInfo(`Made the database role ${role} for ${purpose}`)
    const standing = yield* sql.withTransaction(grant(sql, role, purpose))
    if (standing === undefined) return
    const why = excessOf(standing)
    if (why !== undefined) {
      yield* Effect.logWarning(
        `The database role ${role}, which ${purpose === "calls" ? "calls run" : "the sealer runs"} under, could get at the audit trail: ${why}. Name another one in ${purpose === "calls" ? "DATABASE_URL" : "SEALER_DATABASE_URL"}, or take that right away.`
      )
    }
  })

/** What the role may do that it should not, by other ways than what it is given here. */
const excessOf = (standing: typeof Standing.Type): string | undefined => {
  if (standing.superuser) return "it is a superuser"
  if (standing.owns_tables) return "it may act as the owner of its tables"
  if (standing.creates) return "it may create tables"
  if (standing.temporary) return "it may create temporary tables, which stand before the others"
  return standing.foreign_tables > 0
    ? "tables of it belong to another than who migrates, so what it may do there could not be set right"
    : undefined
}
