import { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Random, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Settings } from "../../../src/Config.ts"
import type { AuditEvent } from "../../../src/domain/AuditEvent.ts"
import type { GatewayUnavailable } from "../../../src/domain/Failure.ts"
import type { Lease } from "../../../src/domain/Operation.ts"
import { insertEvent } from "../../../src/layers/audit/auditSql.ts"
import { held } from "../../../src/layers/calls/leases.ts"
import { repeatable, storage } from "../../../src/layers/database/storage.ts"
import { Idempotency, type Recorded } from "../../../src/services/Idempotency.ts"

/** Faults in how the outcome of an executed write and its audit event are committed. */

type Keys = Idempotency["Service"]

const decodeRecorded = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ recorded: Schema.Boolean })]))

interface Committing {
  readonly sql: PgClient
  readonly lease: Lease
  readonly event: AuditEvent
  /** Marks the key as executed, if `where` holds. Its rows are those that it changed. */
  readonly outcome: (where: Fragment) => Fragment
}

/** Commits an outcome with a statement of its own in place of the gateway's. */
const committing = (commit: (how: Committing) => Effect.Effect<Recorded, GatewayUnavailable>) =>
  Layer.effect(
    Idempotency,
    Effect.gen(function* () {
      const real = yield* Idempotency
      const sql = yield* PgClient
      const { settleAfter } = yield* Settings
      const complete: Keys["complete"] = (lease, answer, event, _change, { checkLater, doubled }) =>
        commit({
          sql,
          lease,
          event,
          outcome: (where) => sql`
            update idempotency_keys
            set state = 'executed', answer = ${sql.json(answer)}, issue_id = ${event.issue_id}::uuid,
                intent = null, before = null, reason = null, lease_until = null, look_at = null,
                settled_at = now(), doubled = ${doubled !== undefined}::boolean,
                check_at = case when ${checkLater}::boolean
                  then now() + ${Duration.toMillis(settleAfter)}::integer * interval '1 millisecond' end
            where ${where}
            returning id`
        })
      return Idempotency.of({ ...real, complete })
    })
  )

const lost = (changed: boolean): Recorded => (changed ? "Recorded" : "LeaseLost")

/** Commits an outcome, and its event when that is done. */
export const outcomeApartFromEvent = committing(({ event, lease, outcome, sql }) =>
  Effect.gen(function* () {
    const [{ recorded }] = yield* storage(
      sql`with changed as (${outcome(held(sql, lease))}) select exists (select from changed) as recorded`.pipe(
        Effect.flatMap(decodeRecorded)
      )
    )
    if (recorded) yield* storage(repeatable(insertEvent(sql, event, sql`from (select 1) as always`)))
    return lost(recorded)
  })
)

/** Commits an outcome with its event, if `where` holds and `source` has a row. */
const together = (
  { event, outcome, sql }: Committing,
  where: Fragment,
  source: Fragment
): Effect.Effect<Recorded, GatewayUnavailable> =>
  storage(
    sql`
      with changed as (${outcome(where)}), event as (${insertEvent(sql, event, source)})
      select exists (select from changed) as recorded`.pipe(Effect.flatMap(decodeRecorded))
  ).pipe(Effect.map(([{ recorded }]) => lost(recorded)))

/** Leaves out one event of an executed write in twenty. */
export const droppedEvent = committing((how) =>
  Effect.flatMap(Random.next, (chance) =>
    together(
      how,
      held(how.sql, how.lease),
      chance < 0.05 ? how.sql`from changed where false` : how.sql`from changed`
    )
  )
)

/** Commits an outcome whether or not the lease has changed hands. */
export const noFence = committing((how) =>
  together(how, how.sql`id = ${how.lease.operationId}`, how.sql`from changed`)
)
