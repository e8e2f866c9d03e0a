import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Served } from "./served.ts"

/** Does something with a database beside the gateway's back. */
export const onDatabase = <A, E>(url: string, run: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  PgClient.makeClient({ url: Redacted.make(url) }).pipe(
    Effect.flatMap(run),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )

/** One statement on the database of the gateway under test: what no API does, such as letting time pass. */
export const query = (statement: TemplateStringsArray, ...values: ReadonlyArray<unknown>) =>
  Effect.flatMap(Served, ({ databaseUrl }) =>
    onDatabase(databaseUrl, (sql) =>
      sql<Record<string, unknown>>(statement, ...(values as ReadonlyArray<string>))
    )
  )
