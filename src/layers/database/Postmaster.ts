import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { Duration, Effect, Option, Schedule, Schema } from "effect"
import { EmbeddedPostgresError, environment, type PostgresHome } from "./PostgresHome.ts"
import * as Processes from "./Processes.ts"

/** A running PostgreSQL server of our cluster, whether we started it or found it. */
export interface Postmaster {
  readonly process: Processes.Identity
  readonly port: number
  /** Where in the log its own lines begin. */
  readonly loggedFrom: number
}

/** The server ended before it could be connected to. */
class EndedEarly extends Schema.TaggedError<EndedEarly>()("EndedEarly", {
  log: Schema.String,
  /** Another try may well succeed: somebody took the port, or a killed server's last processes still end. */
  passing: Schema.Boolean
}) {}

/** Recovery after a crash replays what was written since the last checkpoint, five minutes' worth at most. */
const startBound = Duration.seconds(60)
const fastShutdownBound = Duration.seconds(20)
const immediateShutdownBound = Duration.seconds(5)

/** How much of a log is kept from one start to the next. */
const logBound = 1024 * 1024

const logFile = (home: PostgresHome) => join(home.folder, "postgres.log")

/** The last lines that the server wrote to its log, for messages. */
export const logTail = (home: PostgresHome, server: Postmaster): Effect.Effect<string> =>
  Effect.promise(() =>
    fs.readFile(logFile(home)).then(
      (log) => log.subarray(server.loggedFrom).toString().trimEnd().split("\n").slice(-12).join("\n"),
      () => ""
    )
  )

const fail = (reason: EmbeddedPostgresError["reason"], message: string) =>
  new EmbeddedPostgresError({ reason, message })

const attempt = <A>(what: string, doing: () => Promise<A>) =>
  Effect.tryPromise({
    try: doing,
    catch: (cause) => fail("start", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

/** Everything that does not depend on the port. On the command line it rules over the cluster's own files. */
const settings = (home: PostgresHome) => ({
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  hba_file: join(home.folder, "pg_hba.conf"),
  logging_collector: "off",
  log_destination: "stderr",
  // Error details and statements hold values of rows; the log is not a place for card text.
  log_error_verbosity: "terse",
  log_min_error_statement: "panic",
  fsync: "on",
  full_page_writes: "on",
  timezone: "UTC",
  log_timezone: "UTC"
})

const commandLine = (home: PostgresHome, port: number): ReadonlyArray<string> => [
  join(home.bin, "postgres"),
  "-D",
  home.cluster,
  "-p",
  String(port),
  ...Object.entries(settings(home)).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

const openLog = async (home: PostgresHome) => {
  const file = logFile(home)
  const size = await fs.stat(file).then(
    (seen) => seen.size,
    () => 0
  )
  const full = size > logBound
  if (full) await fs.rename(file, `${file}.1`)
  return { log: await fs.open(file, "a", 0o600), loggedFrom: full ? 0 : size }
}

/**
 * Starts the server in a session of its own: a terminal's Ctrl-C reaches the gateway alone, which shuts the
 * database down after its last call. By the same token a gateway that is killed leaves it running.
 */
const spawnServer = async (home: PostgresHome, port: number): Promise<Postmaster> => {
  // Not in the cluster's folder, which the account may write and root must not.
  const hba = join(home.folder, "pg_hba.conf")
  await fs.writeFile(hba, "host all all 127.0.0.1/32 scram-sha-256\n", { mode: 0o644 })
  await fs.chmod(hba, 0o644)
  const { log, loggedFrom } = await openLog(home)
  try {
    const [command, ...args] = commandLine(home, port)
    const child: ChildProcess = spawn(command as string, args, {
      ...home.account,
      cwd: home.folder,
      env: environment,
      detached: true,
      stdio: ["ignore", log.fd, log.fd]
    })
    await new Promise<void>((started, failed) => child.once("spawn", started).once("error", failed))
    child.unref()
    const pid = child.pid as number
    return { process: Processes.identify(pid) ?? { pid, born: "and gone" }, port, loggedFrom }
  } finally {
    await log.close()
  }
}

const freePort = Effect.callback<number, EmbeddedPostgresError>((resume) => {
  const server = createServer()
  server.once("error", (error) =>
    resume(Effect.fail(fail("start", `No port is free on 127.0.0.1: ${error.message}`)))
  )
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    )
  })
})

/** What the server says of itself in its lock file. Lines are numbered in PostgreSQL's pidfile.h. */
const readPidFile = (home: PostgresHome) =>
  Effect.promise(() =>
    fs.readFile(join(home.cluster, "postmaster.pid"), "utf8").then(
      (text) => {
        const lines = text.split("\n")
        return Option.some({
          pid: Number(lines[0]),
          port: Number(lines[3]),
          ready: lines[7]?.trim() === "ready"
        })
      },
      () => Option.none()
    )
  )

const gone = (server: Postmaster) => Effect.sync(() => !Processes.isAlive(server.process))

const endedEarly = (home: PostgresHome, server: Postmaster) =>
  Effect.flatMap(
    logTail(home, server),
    (log) =>
      new EndedEarly({
        log,
        passing:
          /could not bind|Address already in use|could not create any TCP|shared memory|lock file/.test(log)
      })
  )

/** Waits until the server takes connections. */
export const awaitReady = (home: PostgresHome, server: Postmaster) =>
  Effect.gen(function* () {
    for (;;) {
      const said = yield* readPidFile(home)
      if (Option.exists(said, ({ pid, ready }) => ready && pid === server.process.pid)) return
      if (yield* gone(server)) return yield* endedEarly(home, server)
      yield* Effect.sleep("20 millis")
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: startBound,
      orElse: () =>
        Effect.flatMap(logTail(home, server), (log) =>
          Effect.fail(
            fail(
              "start",
              `PostgreSQL in ${home.folder} took no connections within ${Duration.format(startBound)}. The end of its log:\n${log}`
            )
          )
        )
    })
  )

/**
 * Starts a server on `port`, or on a free one, and hands it to `started` before waiting for it to be ready, so
 * that whoever is interrupted meanwhile still knows what to stop.
 */
export const launch = Effect.fn("Postmaster.launch")(function* (
  home: PostgresHome,
  port: Option.Option<number>,
  started: (server: Postmaster) => Effect.Effect<void>
) {
  const once = Effect.gen(function* () {
    const chosen = yield* Option.match(port, { onNone: () => freePort, onSome: Effect.succeed })
    const server = yield* attempt("PostgreSQL could not be started", () => spawnServer(home, chosen)).pipe(
      Effect.tap(started),
      Effect.uninterruptible
    )
    yield* awaitReady(home, server)
    return server
  })
  return yield* once.pipe(
    Effect.retry(($) =>
      $(Schedule.spaced("250 millis")).pipe(
        Schedule.upTo({ times: 20 }),
        Schedule.while(({ input }) => input._tag === "EndedEarly" && input.passing)
      )
    ),
    Effect.catchTag("EndedEarly", ({ log }) =>
      Effect.fail(
        fail(
          "start",
          `PostgreSQL in ${home.folder} ended as soon as it was started. The end of its log (${logFile(home)}):\n${log}`
        )
      )
    )
  )
})

/**
 * The server that a killed gateway left running on our cluster, if there is one. Its lock file without it is
 * removed: PostgreSQL itself would refuse to start where another process has come to bear its number.
 */
export const find = Effect.fn("Postmaster.find")(function* (home: PostgresHome) {
  const said = yield* readPidFile(home)
  if (Option.isNone(said)) return Option.none<Postmaster>()
  const { pid, port } = said.value
  const identity = Number.isSafeInteger(pid) && pid > 1 ? Processes.identify(pid) : undefined
  const uid = home.account?.uid ?? process.getuid?.()
  const folder = yield* attempt(`${home.cluster} can't be entered`, () => fs.realpath(home.cluster))
  if (identity !== undefined && Processes.servesCluster(pid, folder, uid)) {
    return Option.some<Postmaster>({ process: identity, port, loggedFrom: 0 })
  }
  yield* attempt("A killed server's lock file can't be removed", () =>
    fs.rm(join(home.cluster, "postmaster.pid"), { force: true })
  )
  return Option.none<Postmaster>()
})

/** Whether the server was started with the programs and settings that we would start it with. */
export const startedAlike = (home: PostgresHome, server: Postmaster) =>
  Effect.promise(async () => {
    const written = await fs.readFile(join(home.cluster, "postmaster.opts"), "utf8").catch(() => "")
    const [command, ...args] = commandLine(home, server.port)
    return written.trimEnd() === [command, ...args.map((arg) => `"${arg}"`)].join(" ")
  })

const signal = (home: PostgresHome, server: Postmaster, name: "INT" | "QUIT") =>
  Effect.sync(() => {
    if (!Processes.isAlive(server.process)) return
    // Node can only kill outright on Windows; PostgreSQL has a way of its own there.
    if (process.platform === "win32") {
      spawn(join(home.bin, "pg_ctl"), ["kill", name, String(server.process.pid)], { stdio: "ignore" })
    } else {
      process.kill(server.process.pid, `SIG${name}`)
    }
  }).pipe(Effect.ignore)

/** Returns when the server is gone. */
export const awaitGone = (server: Postmaster, every: Duration.Input): Effect.Effect<void> =>
  gone(server).pipe(
    Effect.repeat(($) => $(Schedule.spaced(every)).pipe(Schedule.while(({ input }) => !input))),
    Effect.asVoid
  )

/** Shuts the server down: connections are cut and a checkpoint written; if that takes too long, at once. */
export const stop = Effect.fn("Postmaster.stop")(function* (home: PostgresHome, server: Postmaster) {
  const goneWithin = (bound: Duration.Duration) =>
    awaitGone(server, "20 millis").pipe(Effect.timeoutOption(bound), Effect.map(Option.isSome))
  yield* signal(home, server, "INT")
  if (yield* goneWithin(fastShutdownBound)) return
  yield* Effect.logWarning("PostgreSQL did not shut down in time and is stopped at once; it will recover")
  yield* signal(home, server, "QUIT")
  if (yield* goneWithin(immediateShutdownBound)) return
  yield* Effect.logError(`PostgreSQL (process ${server.process.pid}) can't be stopped; it is left running`)
})
