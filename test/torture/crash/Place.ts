import { randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted, type Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { type Counterpart, startCounterpart, type TaskerKind } from "./Counterpart.ts"

/**
 * `TASKER_SETTLE_AFTER_MS` of the gateways here, by what their recovery does. If it runs, it waits by itself: nothing
 * holds a request up on these ways, so a second will do. If it is held back, agents call, and the time is made to pass;
 * no machine is so slow that it passes before.
 */
export const settleAfterMillis = { runs: 1000, "is held back": 600_000 } as const

/** A database and a Tasker, which gateways come and go between. */
export interface Place {
  readonly databaseUrl: string
  /** Of the environment of the gateways there. */
  readonly variables: Readonly<Record<string, string>>
  /** A way to the database beside the gateways'. */
  readonly sql: PgClient.PgClient
  readonly tasker: Counterpart
  /** Whether no gateway has a connection to the database any more, so that nothing of it can be committed later. */
  readonly isDeserted: Effect.Effect<boolean>
}

/** On a connection of its own: a pool whose scope is closing opens none any more. */
const administer = (
  serverUrl: string,
  statement: (sql: PgClient.PgClient) => Effect.Effect<unknown, unknown>
) =>
  PgClient.makeClient({ url: Redacted.make(serverUrl) }).pipe(
    Effect.flatMap(statement),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )

/** Makes one on a PostgreSQL server, named by a URL of a role that may create databases; gone when the scope closes. */
export const makePlace = (
  serverUrl: string,
  variables: Place["variables"],
  kind: TaskerKind
): Effect.Effect<Place, never, Scope.Scope> =>
  Effect.gen(function* () {
    const name = `crash_${randomUUID().replaceAll("-", "")}`
    yield* Effect.acquireRelease(
      administer(serverUrl, (server) => server`create database ${server(name)} template template0`),
      () => administer(serverUrl, (server) => server`drop database if exists ${server(name)} with (force)`)
    )
    const url = new URL(serverUrl)
    url.pathname = `/${name}`
    const sql = yield* PgClient.make({ url: Redacted.make(url.href), maxConnections: 2 }).pipe(
      Effect.provide(Reactivity.layer),
      Effect.orDie
    )
    return {
      databaseUrl: url.href,
      variables,
      sql,
      tasker: yield* startCounterpart(kind, url.href),
      isDeserted: sql`
          select from pg_stat_activity
          where datname = current_database() and application_name = 'tasker-codex-api'`.pipe(
        Effect.map((connections) => connections.length === 0),
        Effect.orDie
      )
    }
  })
