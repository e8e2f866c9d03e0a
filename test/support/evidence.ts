import { Clock, Effect, Schedule } from "effect"
import { type CallFailure, codeOf } from "../../src/domain/Failure.ts"
import { upstreamKey } from "../../src/domain/Operation.ts"
import type { ToolResult } from "../../src/tools/Tools.ts"
import type { RecordedWrite } from "./tasker.ts"
import { type Actor, World } from "./world.ts"

/** What a call came to, as one line: the code of a failure, or `done` and `replayed`. */
export const outcome = <R>(
  call: Effect.Effect<ToolResult, CallFailure, R>
): Effect.Effect<string, never, R> =>
  Effect.match(call, {
    onFailure: codeOf,
    onSuccess: ({ replayed }) => (replayed ? "replayed" : "done")
  })

/** The failure that a call is to end with. */
export const refusal = <R>(
  call: Effect.Effect<ToolResult, CallFailure, R>
): Effect.Effect<CallFailure, never, R> =>
  Effect.catch(Effect.flip(call), ({ structured }) =>
    Effect.die(new Error(`It succeeded: ${JSON.stringify(structured)}`))
  )

/** The writes that Tasker carried out under one key of one agent. */
export const writesUnder = (
  actor: Actor,
  key: string
): Effect.Effect<ReadonlyArray<RecordedWrite>, never, World> =>
  Effect.gen(function* () {
    const { tasker } = yield* World
    const writes = yield* tasker.writes
    return writes.filter(({ idempotency_key }) => idempotency_key === upstreamKey(actor.agentId, key))
  })

/** The outcomes that the audit trail holds for one key of one agent, in order, with their reasons. */
export const trail = (actor: Actor, key: string): Effect.Effect<ReadonlyArray<string>, never, World> =>
  Effect.gen(function* () {
    const { database } = yield* World
    const rows = yield* database<{ outcome: string; reason: string | null }>`
      select outcome, reason from audit_events
      where agent_id = ${actor.agentId} and idempotency_key = ${key} order by position`
    return rows.map(({ outcome, reason }) => (reason === null ? outcome : `${outcome} ${reason}`))
  }).pipe(Effect.orDie)

/**
 * Returns the trail without the reason of `executed`. If Tasker's background job moves `updated_at` between
 * two tries of a change, that reason is `operation.resent`: with such a Tasker it is chance.
 */
export const trailOutcomes = (
  actor: Actor,
  key: string
): Effect.Effect<ReadonlyArray<string>, never, World> =>
  Effect.map(trail(actor, key), (events) =>
    events.map((event) => (event === "executed operation.resent" ? "executed" : event))
  )

/** What the database holds of a key; undefined where the key is free. */
export const keyRow = (actor: Actor, key: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    const [row] = yield* database<{ id: string; state: string; fence: number }>`
      select id, state, fence from idempotency_keys where agent_id = ${actor.agentId} and key = ${key}`
    return row
  }).pipe(Effect.orDie)

/** As if the holder of a key's lease had been away for longer than the lease lasts. */
export const expireLease = (actor: Actor, key: string) =>
  Effect.gen(function* () {
    const { database } = yield* World
    yield* database`
      update idempotency_keys set lease_until = now() - interval '1 second'
      where agent_id = ${actor.agentId} and key = ${key} and state = 'in_progress'`
  }).pipe(Effect.orDie)

/** Does not stand still where a test's clock does. */
const liveClock = Clock.Clock.defaultValue()

/** Waits until something holds, looking often, at most five minutes of the live clock. */
export const eventually = <E, R>(
  what: string,
  holds: Effect.Effect<boolean, E, R>
): Effect.Effect<void, E, R> =>
  Effect.flatMap(holds, (now) => (now ? Effect.void : Effect.fail("not yet" as const))).pipe(
    Effect.retry({ schedule: Schedule.spaced("20 millis"), while: (error) => error === "not yet" }),
    Effect.timeoutOrElse({
      duration: "5 minutes",
      orElse: () => Effect.die(new Error(`Not within five minutes: ${what}`))
    }),
    Effect.catchIf(
      (error): error is "not yet" => error === "not yet",
      () => Effect.void
    ),
    Effect.provideService(Clock.Clock, liveClock)
  ) as Effect.Effect<void, E, R>

/** Waits until Tasker has nothing under way any more, what was delayed included. */
export const taskerAtRest = Effect.flatMap(World, ({ tasker }) =>
  eventually("every request to Tasker has ended", tasker.atRest)
)

/**
 * Runs a call, and something else in the instant between the gateway's sending of its write and Tasker's
 * carrying it out. What came of both.
 */
export const meanwhile = <A, R, B, E2, R2>(
  op: string,
  running: Effect.Effect<A, never, R>,
  action: Effect.Effect<B, E2, R2>
): Effect.Effect<readonly [A, B], E2, R | R2 | World> =>
  Effect.gen(function* () {
    const { tasker } = yield* World
    yield* tasker.fault({ op, fault: "delay", delay_ms: 400 })
    const sent = Effect.map(tasker.requests, (requests) =>
      requests.some((request) => request.op === op && request.status === null && request.fault === "delay")
    )
    return yield* Effect.all([running, Effect.andThen(eventually(`${op} is under way`, sent), action)], {
      concurrency: 2
    })
  })

/** Whether a statement waits for a table that somebody locked. `pg_stat_activity` stands still within a transaction; this does not. */
export const someoneWaits = Effect.gen(function* () {
  const { database } = yield* World
  const rows = yield* database`
    select from pg_locks
    where locktype = 'relation' and not granted
      and database = (select oid from pg_database where datname = current_database())`
  return rows.length > 0
}).pipe(Effect.orDie)
