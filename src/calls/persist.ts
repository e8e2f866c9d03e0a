import { Effect, Schedule } from "effect"
import type { AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import { type CallFailure, gatewayUnavailable } from "../domain/Failure.ts"
import type { AuditLog } from "../services/AuditLog.ts"

/** How long an outcome is tried to be recorded; what a lease lasts beyond a call leaves room for it. */
const patience = "5 seconds"

/**
 * An outcome is worth some patience: a database that restarts is back within seconds. If it stays
 * away, the lease runs out and recovery or the next call with the key settles the matter. The event is
 * the same on every try, so that one whose reply got lost is not told twice.
 */
export const persisting =
  (audit: AuditLog["Service"]) =>
  <A>(
    entry: AuditEntry,
    recording: (event: AuditEvent) => Effect.Effect<A, CallFailure>
  ): Effect.Effect<A | "Unrecorded"> =>
    Effect.flatMap(audit.stamp(entry), (event) =>
      recording(event).pipe(
        Effect.retry({ schedule: Schedule.spaced("500 millis") }),
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(gatewayUnavailable()) }),
        Effect.catch((failure) =>
          Effect.as(
            Effect.logError("The outcome of a write could not be recorded", failure),
            "Unrecorded" as const
          )
        )
      )
    )
