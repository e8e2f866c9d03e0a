import { randomBytes, randomUUID } from "node:crypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { inject } from "vitest"
import { databaseUrl, templateDatabase } from "./postgres.ts"

const databaseFrom = (template: string) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const name = `t_${randomUUID().replaceAll("-", "")}`
      return Effect.as(
        administer((sql) => sql`create database ${sql(name)} template ${sql(template)}`),
        {
          name,
          url: databaseUrl(inject("postgresUrl"), name)
        }
      )
    }),
    ({ name }) => administer((sql) => sql`drop database if exists ${sql(name)} with (force)`)
  )

/** A database of one's own with the gateway's schema, dropped when the scope closes. */
export const freshDatabase = databaseFrom(templateDatabase)

/** The same with nothing in it. */
export const emptyDatabase = databaseFrom("template0")

const administer = (statement: (sql: PgClient.PgClient) => Effect.Effect<unknown, unknown>) =>
  PgClient.makeClient({ url: Redacted.make(inject("postgresUrl")) }).pipe(
    Effect.flatMap(statement),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )

export const secret = (): string => randomBytes(24).toString("base64url")
