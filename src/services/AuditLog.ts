import { Context, type Effect } from "effect"
import type { AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import type { GatewayUnavailable, InputInvalid } from "../domain/Failure.ts"
import type { AgentId } from "../domain/Ids.ts"

export interface AuditPage {
  readonly events: ReadonlyArray<AuditEvent>
  readonly next_cursor: string | null
}

/**
 * The trail of who did what. Events can be added and read; no role can change or remove one. The
 * outcome of a write is not recorded here but together with it, by `Idempotency`.
 */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /**
     * Adds an event, in the transaction of the caller where there is one. Of equal denials (agent,
     * action, reason) in one minute the first 60 are events of their own; the rest are counted and
     * become one event with a `count` once the minute is over.
     */
    record(entry: AuditEntry): Effect.Effect<void, GatewayUnavailable>
    /** An agent's events, newest first. `cursor` is a page's `next_cursor`. */
    list(request: {
      readonly agentId: AgentId
      readonly limit: number
      readonly cursor: string | undefined
    }): Effect.Effect<AuditPage, InputInvalid | GatewayUnavailable>
  }
>()("tasker-codex-api/services/AuditLog") {}
