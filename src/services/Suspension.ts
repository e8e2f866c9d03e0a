import { Context, type Effect } from "effect"
import type { CallFailure } from "../domain/Failure.ts"
import type { Token } from "../domain/Token.ts"

/** A call that failed, as far as it matters to whoever counts. */
export interface FailedCall {
  readonly token: Token
  /** The tool. */
  readonly action: string
  /** Of a write: what it asked, so that the same one is known again. Computed only if the failure counts. */
  readonly fingerprint: () => string | undefined
  readonly failure: CallFailure
  readonly via: "mcp" | "rest"
  readonly requestId: string
}

/**
 * Disables agents that do what no honest one does, by the rules of `domain/Suspension.ts`: with a
 * reason that its owner is shown, and an audit event `agent.suspended`. The owner lifts it by setting
 * the agent's status to `active`, which also forgets what was counted.
 */
export class Suspension extends Context.Service<
  Suspension,
  {
    /** Counts a failed call against its agent: one statement, and none for what does not count. Never fails. */
    readonly count: (call: FailedCall) => Effect.Effect<void>
  }
>()("tasker-codex-api/services/Suspension") {}
