import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Settings } from "../../Config.ts"
import type { Lease, Tries } from "../../domain/Operation.ts"

/** What a lease lasts beyond the longest call, so that one that ends in time never loses it. */
export const margin = Duration.seconds(30)

/** How long a key is held, in milliseconds, by the database's clock. */
export const leaseMillis = ({ callDeadline }: Settings["Service"]): number =>
  Duration.toMillis(Duration.sum(callDeadline, margin))

/**
 * `Lease.sendUntil`, taken before the statement that starts the lease: a call to Tasker is over in its
 * time-out.
 */
export const sendUntil = (settings: Settings["Service"]): Effect.Effect<Lease["sendUntil"]> =>
  Effect.map(Effect.all([Clock.monotonicTimeNanos, Clock.currentTimeMillis]), ([nanos, millis]) => {
    const lasts = leaseMillis(settings) - Duration.toMillis(settings.taskerTimeout)
    return { nanos: nanos + BigInt(lasts) * 1_000_000n, millis: millis + lasts }
  })

/**
 * The effective `sent_until` of a row that is taken over: a holder that died can have sent until its lease
 * ended, and one that left none, of an earlier version, until now.
 */
export const sentUntil = (sql: PgClient): Fragment =>
  sql`case when state = 'in_progress' then greatest(sent_until, lease_until) else coalesce(sent_until, now()) end`

/** The effective `resent_moved` of a row that is taken over: a holder that settled it and died may have sent. */
export const resentMoved = (sql: PgClient): Fragment =>
  sql`resent_moved or (state = 'in_progress' and fence > 1)`

/** Only a holder that took the row over sends again. */
export const raisedResentMoved = (sql: PgClient, moved: boolean): Fragment =>
  sql`resent_moved or (fence > 1 and ${moved}::boolean)`

/** `Tries` as columns, of a row of `idempotency_keys` named `k` whose `sent_until` is the effective one. */
export const triesColumns = (sql: PgClient, { settleAfter }: Settings["Service"]): Fragment => sql`
  floor(extract(epoch from k.created_at) * 1000)::float8 as first_at,
  floor(extract(epoch from now() - k.created_at) * 1000)::float8 as age,
  coalesce(greatest(0, ceil(extract(epoch from
    k.sent_until + ${Duration.toMillis(settleAfter)}::integer * interval '1 millisecond' - now()) * 1000)), 0)::float8
    as restless,
  k.reused, k.fence > 2 as resent, k.resent_moved as moved`

export const TriesRow = Schema.Struct({
  first_at: Schema.Number,
  age: Schema.Number,
  restless: Schema.Number,
  reused: Schema.Boolean,
  resent: Schema.Boolean,
  moved: Schema.Boolean
})

export const triesOf = ({ first_at, ...tries }: typeof TriesRow.Type): Tries => ({
  firstAt: first_at,
  ...tries
})

/** A holder that sent something so many milliseconds ago raises `sent_until`. */
export const raisedSentUntil = (sql: PgClient, sentMillisAgo: number | undefined): Fragment =>
  sentMillisAgo === undefined
    ? sql`sent_until`
    : sql`greatest(sent_until, now() - ${Math.max(0, Math.floor(sentMillisAgo))}::integer * interval '1 millisecond')`

/** Of a row of `idempotency_keys`: that it is still held under this lease. */
export const held = (sql: PgClient, lease: Lease): Fragment => sql`
  id = ${lease.operationId} and fence = ${lease.fence} and state = 'in_progress'`
