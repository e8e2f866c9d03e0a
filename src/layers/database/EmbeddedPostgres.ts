import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Option, Redacted, Ref, Schedule, type Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as DataDir from "./DataDir.ts"
import * as Cluster from "./PostgresCluster.ts"
import { EmbeddedPostgresError, locate, type PostgresHome } from "./PostgresHome.ts"
import * as Postmaster from "./Postmaster.ts"

export { EmbeddedPostgresError } from "./PostgresHome.ts"

/** A real PostgreSQL of our own, there for as long as the scope is open. */
export interface EmbeddedPostgres {
  /** The owner's: `postgres://user:password@127.0.0.1:port/nodedc_agent_gateway`. The port is another at each start. */
  readonly url: Redacted.Redacted<string>
  /** The same for the role that calls run under. Who has the owner's has to make it (`CallRole.ts`). */
  readonly callsUrl: Redacted.Redacted<string>
  /** Whether the server was running already, left by a gateway that was killed. */
  readonly adopted: boolean
}

const database = "nodedc_agent_gateway"

/** A server that keeps dying is not helped by being started for ever. */
const restarts = { most: 5, within: Duration.toMillis(Duration.minutes(1)) }

const callRole = "gateway_calls"

const urlOf = (
  password: Redacted.Redacted<string>,
  port: number,
  name: string,
  role: string = Cluster.superuser
) =>
  Redacted.make(`postgres://${role}:${Redacted.value(password)}@127.0.0.1:${port}/${name}`, {
    label: "embedded database URL"
  })

/** Runs a few statements on a connection of their own to the cluster's maintenance database. */
const ask = <A, E>(
  password: Redacted.Redacted<string>,
  port: number,
  statements: (sql: PgClient.PgClient) => Effect.Effect<A, E>
) =>
  PgClient.makeClient({ url: urlOf(password, port, "postgres"), connectTimeout: "5 seconds" }).pipe(
    Effect.flatMap(statements),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.timeout("10 seconds")
  )

/** Whether what listens on the port takes our password and has our cluster open, not another of the same name. */
const servesUs = (home: PostgresHome, password: Redacted.Redacted<string>, server: Postmaster.Postmaster) =>
  ask(
    password,
    server.port,
    (sql) => sql<{ folder: string }>`SELECT current_setting('data_directory') AS folder`
  ).pipe(
    Effect.map((rows) => rows[0]?.folder === home.cluster),
    Effect.catch(() => Effect.succeed(false))
  )

/** The server that a killed gateway left running, if it is fit to go on; one that is not is shut down. */
const takeOver = Effect.fnUntraced(function* (
  home: PostgresHome,
  password: Redacted.Redacted<string>,
  found: (server: Postmaster.Postmaster) => Effect.Effect<void>
) {
  const left = yield* Postmaster.find(home)
  if (Option.isNone(left)) return Option.none<Postmaster.Postmaster>()
  const server = left.value
  yield* found(server)
  const fit =
    (yield* Postmaster.startedAlike(home, server)) &&
    (yield* Effect.isSuccess(Postmaster.awaitReady(home, server))) &&
    (yield* servesUs(home, password, server))
  if (fit) return left
  yield* Effect.logWarning(
    `PostgreSQL was left running (process ${server.process.pid}) and can't be taken over; it is started anew`
  )
  yield* Postmaster.stop(home, server)
  return Option.none<Postmaster.Postmaster>()
})

const createDatabase = (home: PostgresHome, password: Redacted.Redacted<string>, port: number) =>
  ask(password, port, (sql) =>
    Effect.gen(function* () {
      const existing = yield* sql`SELECT 1 FROM pg_database WHERE datname = ${database}`
      if (existing.length === 0) yield* sql`CREATE DATABASE ${sql(database)}`
    })
  ).pipe(
    Effect.mapError(
      (cause) =>
        new EmbeddedPostgresError({
          reason: "database",
          message: `The embedded PostgreSQL in ${home.folder} runs, but its database ${database} could not be opened or made: ${cause.message}. If the secrets under DATA_DIR were deleted, restore them: the password is the one that the cluster was made with.`
        })
    )
  )

/** Starts the server again, on its port, whenever it dies, until it dies too often. */
const supervise = Effect.fnUntraced(function* (
  home: PostgresHome,
  current: Ref.Ref<Option.Option<Postmaster.Postmaster>>
) {
  let recent: ReadonlyArray<number> = []
  for (;;) {
    const server = Option.getOrThrow(yield* Ref.get(current))
    yield* Postmaster.awaitGone(server, "500 millis")
    const now = yield* Clock.currentTimeMillis
    recent = [...recent.filter((at) => now - at < restarts.within), now]
    const log = yield* Postmaster.logTail(home, server)
    yield* Effect.logError(
      `The embedded PostgreSQL (process ${server.process.pid}) died. The end of its log:\n${log}`
    )
    if (recent.length > restarts.most) {
      return yield* Effect.logError(
        `The embedded PostgreSQL in ${home.folder} keeps dying and is not started again. Once its log there is clear, restart the gateway.`
      )
    }
    const restarted = yield* Postmaster.launch(home, Option.some(server.port), (started) =>
      Ref.set(current, Option.some(started))
    ).pipe(
      Effect.retry(($) =>
        $(Schedule.exponential("500 millis")).pipe(Schedule.upTo({ times: restarts.most }))
      ),
      Effect.option
    )
    if (Option.isNone(restarted)) {
      return yield* Effect.logError(
        `The embedded PostgreSQL in ${home.folder} can't be started again. Once its log there is clear, restart the gateway.`
      )
    }
    yield* Effect.logInfo(`The embedded PostgreSQL runs again (process ${restarted.value.process.pid})`)
  }
})

/** The clusters that this very process serves: the lock on DATA_DIR only keeps other processes out. */
const served = new Set<string>()

const serveOnce = (dataDir: DataDir.DataDir) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      if (!served.has(dataDir.path)) return Effect.sync(() => served.add(dataDir.path))
      return Effect.fail(
        new EmbeddedPostgresError({
          reason: "in_use",
          message: `The embedded PostgreSQL of ${dataDir.path} is already running in this process.`
        })
      )
    }),
    () => Effect.sync(() => served.delete(dataDir.path))
  )

const generatePassword = Effect.sync(() => randomBytes(32).toString("base64url"))

/**
 * Starts the PostgreSQL of a `DATA_DIR`, or takes over the one that a killed gateway left running. The first
 * start makes the cluster and the database. Listens on 127.0.0.1 alone, with a password; writes are durable
 * (`fsync` stays on). If the server dies it is started again on the same port. Closing the scope shuts it
 * down, so close it after whatever uses the database.
 */
export const start = Effect.fn("EmbeddedPostgres.start")(function* (options: {
  readonly dataDir: string
}): Effect.fn.Return<EmbeddedPostgres, EmbeddedPostgresError | DataDir.DataDirError, Scope.Scope> {
  const dataDir = yield* DataDir.acquire(options.dataDir)
  yield* serveOnce(dataDir)
  const password = yield* dataDir.secret("postgres-password", generatePassword)
  const callsPassword = yield* dataDir.secret("postgres-calls-password", generatePassword)
  const home = yield* locate(dataDir)

  const current = yield* Ref.make(Option.none<Postmaster.Postmaster>())
  const isCurrent = (server: Postmaster.Postmaster) => Ref.set(current, Option.some(server))
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(
      Ref.get(current),
      Option.match({ onNone: () => Effect.void, onSome: (server) => Postmaster.stop(home, server) })
    )
  )

  yield* Cluster.initialise(home, password)
  const left = yield* takeOver(home, password, isCurrent)
  const server = Option.isSome(left) ? left.value : yield* Postmaster.launch(home, Option.none(), isCurrent)
  yield* createDatabase(home, password, server.port)
  yield* Effect.forkScoped(supervise(home, current))
  yield* Effect.logInfo(
    `Embedded PostgreSQL ${home.version} ${Option.isSome(left) ? "taken over" : "started"} on 127.0.0.1:${server.port}, cluster in ${home.cluster}`
  )
  return {
    url: urlOf(password, server.port, database),
    callsUrl: urlOf(callsPassword, server.port, database, callRole),
    adopted: Option.isSome(left)
  }
})

/** Removes a `DATA_DIR` with its cluster, wherever that lies. For folders made for one run: nothing is kept. */
export const discard = Effect.fn("EmbeddedPostgres.discard")(function* (options: {
  readonly dataDir: string
}) {
  const dataDir = yield* DataDir.acquire(options.dataDir)
  const home = yield* locate(dataDir)
  const left = yield* Postmaster.find(home)
  if (Option.isSome(left)) yield* Postmaster.stop(home, left.value)
  yield* Effect.promise(async () => {
    await Cluster.removeFolder(home.folder)
    await fs.rm(dataDir.path, { recursive: true, force: true })
  })
}, Effect.scoped)
