import { Context, type Effect } from "effect"
import type { AuditEntry, AuditEvent } from "../domain/AuditEvent.ts"
import type { GatewayUnavailable, InputInvalid } from "../domain/Failure.ts"
import type { AgentId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"

/**
 * The trail of who did what. Append-only: PostgreSQL refuses to change or remove an event. The
 * outcome of a write is not recorded here but together with it, by `Idempotency`.
 */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /**
     * Adds an event, in the transaction of the caller where there is one. Of equal denials, failures, replays
     * or dry runs (agent, action, outcome, reason) in one minute the first 60 are events of their own; the rest
     * are counted in memory and become one event with a `count` every five seconds and at shutdown.
     */
    record(entry: AuditEntry): Effect.Effect<void, GatewayUnavailable>
    /** An entry with its id and time: what `append` and `Idempotency` write down, once, however often it is tried. */
    stamp(entry: AuditEntry): Effect.Effect<AuditEvent>
    /** Adds a stamped event, where it is not in the trail already. */
    append(event: AuditEvent): Effect.Effect<void, GatewayUnavailable>
    /** An agent's events, newest first. */
    list(
      request: PageRequest & { readonly agentId: AgentId }
    ): Effect.Effect<Page<AuditEvent>, InputInvalid | GatewayUnavailable>
  }
>()("tasker-codex-api/services/AuditLog") {}
