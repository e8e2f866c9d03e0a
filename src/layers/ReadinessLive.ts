import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option } from "effect"
import type { TaskerCapabilities } from "../domain/Tasker.ts"
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
    const operators = Effect.zipWith(
      tasker.capabilities,
      tasker.warnings,
      (taskerCapabilities, warnings) => ({
        taskerCapabilities,
        warnings: [...warnings, ...shortcomings(taskerCapabilities)]
      })
    )
    return Readiness.of({ check: yield* Effect.cachedWithTTL(check, freshness), operators })
  })
)

/** What it costs that Tasker lacks something. */
const shortcomings = (capabilities: TaskerCapabilities): ReadonlyArray<string> =>
  Object.entries(costs).flatMap(([name, cost]) =>
    capabilities[name as keyof TaskerCapabilities] === "no" ? [cost] : []
  )

const costs: { readonly [K in keyof TaskerCapabilities]: string } = {
  filters:
    "Tasker ignores filters of its list of cards: the gateway reads more pages and filters them itself.",
  paging:
    "Tasker ignores limit and cursor of its list of cards: every card is read with its whole project, of 2,000 cards at most.",
  external_id_lookup:
    "Tasker does not look cards up by external_id: a create whose response is lost stays unresolved.",
  repeat_detection:
    "Tasker executed a repeated create again: a create or comment that is sent again can be doubled.",
  version_checks: "Tasker ignores expected_updated_at: a late change can overwrite one made meanwhile.",
  comment_listing: "Tasker does not list comments: tasker_list_comments fails with tasker.unsupported."
}
