import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, type Redacted, Schedule } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const isRoot = process.getuid?.() === 0
export const nobody = 65_534
/** A DATA_DIR for one test, whose parent is this account's alone: the hardest place there is for root. */
export const temporary = Effect.acquireRelease(
  Effect.promise(async () => join(await fs.mkdtemp(join(tmpdir(), "gateway-test-")), "data")),
  (dataDir) =>
    EmbeddedPostgres.discard({ dataDir }).pipe(
      Effect.andThen(Effect.promise(() => fs.rm(dirname(dataDir), { recursive: true, force: true }))),
      Effect.orDie
    )
)

export const query = (url: Redacted.Redacted<string>, statement: string) =>
  PgClient.makeClient({ url, connectTimeout: "2 minutes" }).pipe(
    Effect.flatMap((sql) => sql.unsafe<Record<string, unknown>>(statement)),
    Effect.scoped,
    Effect.provide(Reactivity.layer)
  )

/** Repeats what may not be so yet, for five minutes at most. */
export const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.retry(($) => $(Schedule.spaced("50 millis")).pipe(Schedule.upTo({ duration: "5 minutes" })))
  )

/** A process that does `body` with the source tree in `from`, and stays until it is killed. */
export const spawnGateway = (
  body: string,
  options: { readonly from?: string; readonly uid?: number; readonly gid?: number } = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { from = root, ...account } = options
      const script = `
        import { Effect } from "effect"
        import * as DataDir from ${JSON.stringify(join(from, "src/layers/database/DataDir.ts"))}
        import * as EmbeddedPostgres from ${JSON.stringify(join(from, "src/layers/database/EmbeddedPostgres.ts"))}
        const say = (word) => Effect.sync(() => process.stdout.write("\\n>" + word + "\\n"))
        setInterval(() => {}, 1000)
        await Effect.runPromise(Effect.scoped(Effect.gen(function* () { ${body}; yield* Effect.never })))`
      const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
        cwd: from,
        stdio: ["ignore", "pipe", "inherit"],
        ...account
      })
      let output = ""
      child.stdout.setEncoding("utf8").on("data", (text) => {
        output += text
      })
      const kill = Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, "exit")
        child.kill("SIGKILL")
        await ended
      })
      const said = eventually(
        Effect.suspend(() => {
          const word = /\n>(.*)\n/.exec(output)?.[1]
          return word === undefined
            ? Effect.fail(new Error(`The child said only: ${output}`))
            : Effect.succeed(word)
        })
      )
      return { pid: child.pid as number, kill, said }
    }),
    ({ kill }) => kill
  )

export const startSaying = (dataDir: string) =>
  `const { adopted } = yield* EmbeddedPostgres.start({ dataDir: ${JSON.stringify(dataDir)} }); yield* say(adopted)`

/** Where the cluster of a DATA_DIR lies. */
export const clusterOf = (dataDir: string) =>
  Effect.promise(async () =>
    join(
      isRoot ? await fs.readFile(join(dataDir, "postgres-home"), "utf8") : join(dataDir, "postgres"),
      "cluster"
    )
  )

export const postmasterOf = (dataDir: string) =>
  Effect.flatMap(clusterOf(dataDir), (cluster) =>
    Effect.promise(async () =>
      Number.parseInt(await fs.readFile(join(cluster, "postmaster.pid"), "utf8"), 10)
    )
  )

export const modeOf = (path: string) =>
  Effect.promise(async () => ((await fs.stat(path)).mode & 0o777).toString(8))
