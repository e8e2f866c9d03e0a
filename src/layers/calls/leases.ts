import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Settings } from "../../Config.ts"
import type { Lease } from "../../domain/Operation.ts"

/** What a lease lasts beyond the longest call, so that one that ends in time never loses it. */
const margin = Duration.seconds(30)

/** How long a key is held, in milliseconds, by the database's clock. */
export const leaseMillis = ({ callDeadline }: Settings["Service"]): number =>
  Duration.toMillis(Duration.sum(callDeadline, margin))

/** Of a row of `idempotency_keys`: that it is still held under this lease. */
export const held = (sql: PgClient, lease: Lease): Fragment => sql`
  id = ${lease.operationId} and fence = ${lease.fence} and state = 'in_progress'`
