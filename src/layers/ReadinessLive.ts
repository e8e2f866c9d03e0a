import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { Readiness } from "../services/Readiness.ts"
import { TaskerAdapter } from "../services/TaskerAdapter.ts"
import * as Migrations from "./Migrations.ts"

const patience = "2 seconds"

export const layer = Layer.effect(
  Readiness,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const tasker = yield* TaskerAdapter

    const stored = Migrations.pending.pipe(
      Effect.provideService(PgClient, sql),
      Effect.map((pending) => ({
        database: "ok" as const,
        migrations: pending === 0 ? ("ok" as const) : ("pending" as const)
      })),
      Effect.catchTag("MigrationRefused", () =>
        Effect.succeed({ database: "ok" as const, migrations: "pending" as const })
      ),
      Effect.timeout(patience),
      Effect.catch(() => Effect.succeed({ database: "unavailable" as const, migrations: "unknown" as const }))
    )

    return Readiness.of({
      check: Effect.zipWith(
        stored,
        tasker.reachable,
        (database, reachable) => ({ ...database, tasker: reachable }),
        {
          concurrent: true
        }
      )
    })
  })
)
