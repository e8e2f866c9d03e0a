import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto"
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

/** An `AUDIT_SIGNING_KEY`. */
export const signingKey = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")

/** A `PAIRING_PEPPER`. */
export const pepper = (): string => randomBytes(32).toString("hex")

/** The same database by the role that may not touch what is written in the audit trail. */
export const restricted = (owner: string): string => {
  const url = new URL(owner)
  url.username = "gateway_calls"
  url.password = "calls-of-the-tests"
  return url.href
}

/** The same database by the role that the audit trail is sealed under. */
export const sealing = (owner: string): string => {
  const url = new URL(owner)
  url.username = "gateway_sealer"
  url.password = "sealer-of-the-tests"
  return url.href
}
