import { Context, type Effect } from "effect"
import type { AuthFailure, GatewayUnavailable, LimitReached } from "../domain/Failure.ts"
import type { KeyHolder } from "../domain/Operation.ts"
import type { Principal } from "../domain/Principal.ts"
import type { CallClass } from "../domain/Rate.ts"
import type { Token } from "../domain/Token.ts"

/** Who calls, and what the key of the call already stands for. */
export interface Caller {
  readonly principal: Principal
  /** Holds the idempotency key that came along; undefined if it is free, or none came. */
  readonly operation: KeyHolder | undefined
}

/**
 * Opaque agent tokens. The secret is shown once, when it is issued; only its SHA-256 is kept.
 */
export class TokenStore extends Context.Service<
  TokenStore,
  {
    /**
     * Who holds this token: one statement, nothing cached, so a revocation holds from the next call
     * on, on every instance. Fails with `auth.unknown`, `auth.revoked`, `auth.expired` or
     * `auth.agent_disabled`; for the last three `holder` says whose it was. A database that is out
     * is `GatewayUnavailable`, never an authentication failure. With a key, it also tells what that key of this
     * agent stands for.
     */
    authenticate(token: Token, key?: string): Effect.Effect<Caller, AuthFailure | GatewayUnavailable>
    /**
     * Authenticates a call of a tool and counts it in the same statement: past the agent's limit over
     * all instances it fails with `limit.rate`. With a key, it also tells what that key of this agent
     * stands for; a write that is answered by its key alone counts as a read. After the first refusal in a
     * minute further calls of that class are refused without a statement.
     */
    admit(
      token: Token,
      counts: CallClass,
      key?: string
    ): Effect.Effect<Caller, AuthFailure | LimitReached | GatewayUnavailable>
  }
>()("tasker-codex-api/services/TokenStore") {}
