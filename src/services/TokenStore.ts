import { Context, type Effect } from "effect"
import type { AuthFailure, GatewayUnavailable, LimitReached } from "../domain/Failure.ts"
import type { Operation } from "../domain/Operation.ts"
import type { Principal } from "../domain/Principal.ts"
import type { CallClass } from "../domain/Rate.ts"
import type { Token } from "../domain/Token.ts"

/** Who calls, and what the key of the call already stands for. */
export interface Caller {
  readonly principal: Principal
  /** The operation behind the idempotency key that came along; undefined where there is none. */
  readonly operation: Operation | undefined
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
     * The same for a call of a tool, which is counted in that statement: past the agent's limit over
     * all instances it fails with `limit.rate`. With a key, it also tells what that key of this agent
     * stands for; a call that is answered by its key alone is not counted.
     */
    admit(
      token: Token,
      counts: CallClass,
      key?: string
    ): Effect.Effect<Caller, AuthFailure | LimitReached | GatewayUnavailable>
  }
>()("tasker-codex-api/services/TokenStore") {}
