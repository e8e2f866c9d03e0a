import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option } from "effect"
import { AuditProof } from "../services/AuditProof.ts"
import { Readiness } from "../services/Readiness.ts"
import { TaskerAdapter } from "../services/TaskerAdapter.ts"
import * as Migrations from "./database/Migrations.ts"

const patience = "2 seconds"

/** Anyone may ask, as often as they like: no more than one connection is ever taken for it. */
const freshness = "1 second"

export const layer = Layer.effect(
  Readiness,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const tasker = yield* TaskerAdapter
    const proof = yield* AuditProof

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

    /** Only asked of a database that has what it asks for. */
    const sealing = Effect.gen(function* () {
      const found = yield* stored
      const asked = proof.unsealed.pipe(Effect.timeout(patience), Effect.option)
      return { ...found, audit: found.migrations === "ok" ? Option.getOrNull(yield* asked) : null }
    })

    const check = Effect.zipWith(
      sealing,
      tasker.reachable,
      (database, reachable) => ({ ...database, tasker: reachable }),
      {
        concurrent: true
      }
    )
    return Readiness.of({ check: yield* Effect.cachedWithTTL(check, freshness) })
  })
)
