import { Effect } from "effect"
import { type Place, settleAfterMillis } from "./Place.ts"
import type { Scene } from "./Scene.ts"

/** What the database and Tasker hold of one call. */
export interface Holding {
  /** State of the key's row; `free` where there is none that takes the key. */
  readonly key: "free" | "in_progress" | "unknown" | "unresolved" | "executed"
  /** Whether it is kept from other callers, since its lease has not run out. */
  readonly leased: boolean
  /** Outcomes in the audit trail, in order, a refusal with its code. */
  readonly events: ReadonlyArray<string>
  /** Writes that Tasker carried out in the project, whatever their key, but for the card that was there. */
  readonly writes: ReadonlyArray<{ readonly op: string; readonly ours: boolean }>
}

/** Looks, past the gateway, at both. */
export const look = (place: Place, scene: Scene): Effect.Effect<Holding> =>
  Effect.gen(function* () {
    const { sql, tasker } = place
    const [row] = yield* sql<{ state: Holding["key"]; leased: boolean }>`
      select state, coalesce(lease_until > now(), false) as leased from idempotency_keys
      where agent_id = ${scene.agentId} and key = ${scene.key} and state <> 'not_executed'`
    const events = yield* sql<{ outcome: string; reason: string | null }>`
      select outcome, reason from audit_events
      where agent_id = ${scene.agentId} and idempotency_key = ${scene.key} order by position`
    const writes = yield* tasker.writes
    return {
      key: row?.state ?? "free",
      leased: row?.leased ?? false,
      events: events.map(({ outcome, reason }) => (reason === null ? outcome : `${outcome} ${reason}`)),
      writes: writes
        .filter(({ project_id }) => project_id === scene.projectId)
        .slice(1)
        .map(({ idempotency_key, op }) => ({
          op,
          ours: idempotency_key === scene.upstreamKey || (idempotency_key === null && !tasker.keysChanges)
        }))
    } satisfies Holding as Holding
  }).pipe(Effect.orDie)

/** Returns how many of these calls have a key that has still to be settled. */
export const undecided = ({ sql }: Place, scenes: ReadonlyArray<Scene>): Effect.Effect<number> =>
  sql<{ count: number }>`
    select count(*)::int as count from idempotency_keys
    where state in ('in_progress', 'unknown') and key in ${sql.in(scenes.map(({ key }) => key))}`.pipe(
    Effect.map(([row]) => row?.count ?? 0),
    Effect.orDie
  )

/** What the database keeps the call under, if it has come that far. */
export const operationIdOf = ({ sql }: Place, { agentId, key }: Scene): Effect.Effect<string | undefined> =>
  sql<{ id: string }>`
    select id from idempotency_keys where agent_id = ${agentId} and key = ${key}`.pipe(
    Effect.map(([row]) => row?.id),
    Effect.orDie
  )

/** Ends the lease of a key, as if its holder had been silent for as long as it lasts. */
export const runOut = ({ sql }: Place, { agentId, key }: Scene): Effect.Effect<void> =>
  sql`
    update idempotency_keys set lease_until = now()
    where agent_id = ${agentId} and key = ${key} and state = 'in_progress'`.pipe(Effect.asVoid, Effect.orDie)

/** Puts everything that can have been sent under a key further back than `TASKER_SETTLE_AFTER_MS`. */
export const settleAfter = ({ sql }: Place, { agentId, key }: Scene): Effect.Effect<void> =>
  sql`
    update idempotency_keys
    set lease_until = lease_until - ${settleAfterMillis["is held back"]}::integer * interval '1 millisecond',
        sent_until = sent_until - ${settleAfterMillis["is held back"]}::integer * interval '1 millisecond'
    where agent_id = ${agentId} and key = ${key} and state in ('in_progress', 'unknown')`.pipe(
    Effect.asVoid,
    Effect.orDie
  )

/** True if a request of the key may still be on its way, as far as the gateway can know. */
export const mayLinger = ({ sql }: Place, { agentId, key }: Scene): Effect.Effect<boolean> =>
  sql`
    select from idempotency_keys
    where agent_id = ${agentId} and key = ${key}
      and greatest(sent_until, lease_until) + ${settleAfterMillis["is held back"]}::integer * interval '1 millisecond' > now()`.pipe(
    Effect.map((rows) => rows.length > 0),
    Effect.orDie
  )
