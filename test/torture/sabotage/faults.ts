import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Layer } from "effect"
import type { Settings } from "../../../src/Config.ts"
import type { AuditLog } from "../../../src/services/AuditLog.ts"
import type { Idempotency } from "../../../src/services/Idempotency.ts"
import type { RecoveryQueue } from "../../../src/services/RecoveryQueue.ts"
import type { TaskerAdapter } from "../../../src/services/TaskerAdapter.ts"
import type { TokenStore } from "../../../src/services/TokenStore.ts"
import * as Keys from "./faultsOfKeys.ts"
import * as Outcomes from "./faultsOfOutcomes.ts"
import * as Tasker from "./faultsOfTasker.ts"
import type { SabotageName } from "./Sabotages.ts"

/** Services of a gateway that a fault is built into, made from the sound ones. */
type Fault = Layer.Layer<
  never,
  never,
  Settings | PgClient | AuditLog | Idempotency | RecoveryQueue | TaskerAdapter | TokenStore
>

export const faults: Readonly<Record<SabotageName, Fault>> = {
  "reserve-after-write": Keys.reserveAfterWrite,
  "outcome-apart-from-event": Outcomes.outcomeApartFromEvent,
  "no-fingerprint": Keys.noFingerprint,
  "conflict-taken-for-done": Tasker.conflictTakenForDone,
  "no-fence": Outcomes.noFence,
  "cached-revocation": Keys.cachedRevocation,
  "recovery-guesses-not-done": Keys.recoveryGuessesNotDone,
  "dropped-event": Outcomes.droppedEvent,
  "key-per-token": Keys.keyPerToken,
  "resend-without-waiting": Keys.resendWithoutWaiting,
  "double-not-told": Tasker.doubleNotTold,
  "updated-at-taken-for-version": Keys.updatedAtTakenForVersion,
  "doubt-taken-for-refusal": Tasker.doubtTakenForRefusal
}
