import { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, Clock, DateTime, type Duration, Effect, Layer, Option, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import type { AuditEntry, AuditEvent } from "../../domain/AuditEvent.ts"
import type { GatewayUnavailable } from "../../domain/Failure.ts"
import { Uuid } from "../../domain/Ids.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { AgentLanes } from "../database/AgentLanes.ts"
import { take } from "../database/page.ts"
import { repeatable, storage } from "../database/storage.ts"
import { eventRows } from "./auditPage.ts"
import { insertEvent } from "./auditSql.ts"
import { closingEarlierTallies } from "./earlierTallies.ts"
import { Tallies } from "./tallies.ts"

/**
 * The trail in PostgreSQL. Calls wait for its methods, which therefore have no spans of their own: the
 * statements have theirs.
 */

/** How often counted events are written: what a crash can lose. */
const flushed = "5 seconds"

export const layer = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const lanes = yield* AgentLanes

    /** Ids sort by time, as far as the clocks of several instances agree. */
    const stamp = Effect.fnUntraced(function* (entry: AuditEntry): Effect.fn.Return<AuditEvent> {
      const id = Uuid.make(yield* random.uuidV7())
      return { ...entry, id, at: DateTime.formatIso(yield* DateTime.now), count: 1 }
    })

    const append = (event: AuditEvent) =>
      Effect.asVoid(storage(repeatable(insertEvent(sql, event, sql`from (select 1) as always`))))

    const tallies = new Tallies()
    const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

    /** Outside of a transaction two at a time for each agent, so that a flood of refusals holds no more connections. */
    const record = Effect.fnUntraced(function* (entry: AuditEntry) {
      const event = yield* stamp(entry)
      if (!tallies.isSingle(event, yield* monotonicMillis)) return
      const within = yield* Effect.serviceOption(sql.transactionService)
      return yield* event.agent_id === null || Option.isSome(within)
        ? append(event)
        : lanes.through(event.agent_id, append(event))
    })

    /** Counted events that are being written. They keep their ids, so that a repeated write adds none twice. */
    let outbox: ReadonlyArray<AuditEvent> = []
    const flush = Effect.gen(function* () {
      if (outbox.length === 0) outbox = tallies.take(yield* monotonicMillis)
      for (let next = outbox[0]; next !== undefined; next = outbox[0]) {
        yield* append(next)
        outbox = outbox.slice(1)
      }
    })

    const list = (request: Parameters<AuditLog["Service"]["list"]>[0]) =>
      Effect.map(eventRows(sql, request), (rows) =>
        take(rows, request.limit, ({ position }) => position.toString())
      )

    /** Repeats work in the background, whatever went wrong once. */
    const repeatedly = (
      work: Effect.Effect<void, GatewayUnavailable>,
      every: Duration.Input,
      failed: string
    ) =>
      work.pipe(
        Effect.catchTag("GatewayUnavailable", () => Effect.void),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.logError(failed, cause)
        ),
        Effect.repeat(Schedule.spaced(every)),
        Effect.forkScoped
      )

    // Twice: what failed before is written first, then what was counted since.
    yield* Effect.addFinalizer(() =>
      Effect.andThen(flush, flush).pipe(
        Effect.catchCause((cause) =>
          Effect.logError(`${outbox.length} counted audit events were lost at shutdown`, cause)
        )
      )
    )
    yield* repeatedly(flush, flushed, "Counted audit events could not be written")
    yield* repeatedly(
      closingEarlierTallies(sql, random),
      "20 seconds",
      "Denials that an earlier version counted could not be put together into events"
    )

    return AuditLog.of({ record, stamp, append, list })
  })
).pipe(Layer.provide(AgentLanes.layer))
