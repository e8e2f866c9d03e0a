import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Exit, Logger, Redacted, Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { TestProject } from "vitest/node"
import * as EmbeddedPostgres from "../../src/layers/database/EmbeddedPostgres.ts"
import * as Migrations from "../../src/layers/database/Migrations.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A PostgreSQL for this run; its `template` database holds the gateway's schema. */
    postgresUrl: string
  }
}

export const templateDatabase = "gateway_template"

/** Starts one PostgreSQL for the run, with a migrated database that tests copy, and throws it away after. */
export default async function setup(project: TestProject) {
  const dataDir = await mkdtemp(join(tmpdir(), "gateway-test-"))
  const scope = await Effect.runPromise(Scope.make())
  const { url } = await Effect.runPromise(
    EmbeddedPostgres.start({ dataDir }).pipe(Scope.provide(scope), Effect.provide(Logger.layer([])))
  )
  const admin = Redacted.value(url)
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* PgClient.makeClient({ url })
        yield* server`create database ${server(templateDatabase)}`
        const template = yield* PgClient.make({
          url: Redacted.make(databaseUrl(admin, templateDatabase)),
          maxConnections: 1
        })
        yield* Effect.provideService(Migrations.migrate(), PgClient.PgClient, template)
      })
    ).pipe(Effect.provide(Reactivity.layer))
  )
  project.provide("postgresUrl", admin)
  return async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await Effect.runPromise(EmbeddedPostgres.discard({ dataDir }))
  }
}

export const databaseUrl = (server: string, name: string): string => {
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}
