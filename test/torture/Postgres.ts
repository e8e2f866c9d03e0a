import { mkdtemp, readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Exit, Logger, Redacted, Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"

/** A PostgreSQL of the run's own, which can be struck and comes up again by itself on the same port. */
export interface Postgres {
  /** The gateway's database, as its owner. */
  readonly url: string
  /** How PostgreSQL itself names the three: its Server Administration, "Shutting Down the Server". */
  readonly strike: (how: "fast" | "immediate" | "kill") => Promise<void>
  readonly discard: () => Promise<void>
}

const signals = { fast: "SIGINT", immediate: "SIGQUIT", kill: "SIGKILL" } as const
const quiet = Effect.provide(Logger.layer([]))

export const startPostgres = async (): Promise<Postgres> => {
  const dataDir = await mkdtemp(join(tmpdir(), "gateway-torture-"))
  const scope = await Effect.runPromise(Scope.make())
  const started = await Effect.runPromise(
    EmbeddedPostgres.start({ dataDir }).pipe(Scope.provide(scope), quiet)
  )
  const url = Redacted.value(started.url)
  const [setting] = await rows<{ folder: string }>(url, "select current_setting('data_directory') as folder")
  const lockFile = join(setting?.folder ?? "", "postmaster.pid")
  return {
    url,
    strike: async (how) => {
      const pid = Number((await readFile(lockFile, "utf8")).split("\n")[0])
      if (!(pid > 1)) throw new Error(`${lockFile} names no process`)
      process.kill(pid, signals[how])
    },
    discard: async () => {
      await Effect.runPromise(quiet(Scope.close(scope, Exit.void)))
      await Effect.runPromise(quiet(EmbeddedPostgres.discard({ dataDir })))
    }
  }
}

/** Runs one statement on a connection of its own. Its rows are taken for what their reader says they are. */
export const rows = <Row>(url: string, statement: string): Promise<ReadonlyArray<Row>> =>
  PgClient.makeClient({ url: Redacted.make(url), connectTimeout: "5 seconds" }).pipe(
    Effect.flatMap((sql) => sql.unsafe(statement)),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    quiet,
    Effect.runPromise
  ) as Promise<ReadonlyArray<Row>>

/** The same, tried until it succeeds: for the time after outages. */
export const patientRows = async <Row>(url: string, statement: string): Promise<ReadonlyArray<Row>> => {
  for (let left = 100; ; left--) {
    try {
      return await rows<Row>(url, statement)
    } catch (error) {
      if (left === 0) throw error
      await new Promise((wake) => setTimeout(wake, 200))
    }
  }
}

/** The URL of another database, or of another way to it. */
export const redirected = (
  url: string,
  to: { readonly port?: number; readonly database?: string }
): string => {
  const changed = new URL(url)
  if (to.port !== undefined) changed.port = String(to.port)
  if (to.database !== undefined) changed.pathname = `/${to.database}`
  return changed.href
}
