import { Context, type Effect } from "effect"
import type { GatewayUnavailable, InputInvalid, LimitReached, PairingRefused } from "../domain/Failure.ts"
import type { AgentId, TokenId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type { PairingCode, PairingCodeId, PairingCodeInfo } from "../domain/PairingCode.ts"
import type { Agent, StandingGrant, TokenInfo } from "../domain/Principal.ts"
import type { Token } from "../domain/Token.ts"
import type { Act, ActFailure, Missing, Reach } from "./AgentRegistry.ts"

/** What a good code stands for, as it is at this moment. */
export interface Paired {
  readonly pairingId: PairingCodeId
  readonly agent: Agent
  /** Expired ones included, revoked ones not. */
  readonly grants: ReadonlyArray<StandingGrant>
}

/** From where a code is tried. */
export interface Trying {
  /** The client's address, as `ClientAddress` spells it. */
  readonly address: string
  readonly requestId: string
}

/** What a code is used for. */
export interface Use extends Trying {
  /** As `domain/ClientName.ts` leaves it. */
  readonly clientName: string
  /** The token that is given for it: a row of `tokens` that the same transaction made before. */
  readonly tokenId: TokenId
}

/**
 * Pairing codes: how a person connects an agent without a token ever being copied.
 *
 * - A code is shown once, good once and for ten minutes; three of an agent may be pending.
 * - What has the form of a code and is none that was ever made is a guess. Guesses are counted in the database, by
 *   address and in all, so that together they hit a code with a chance below 2⁻³² in its life
 *   (`domain/Guessing.ts`); past that they are refused unseen, as `limit.rate`. A code that was used, cancelled,
 *   locked or has expired is no guess.
 * - Making, using, cancelling and locking are each one transaction with their audit events.
 */
export class Pairing extends Context.Service<
  Pairing,
  {
    /** Makes a code. This is the one time that it is seen. `pairing.too_many` where three are pending. */
    create(
      act: Act,
      agentId: AgentId,
      request: { readonly name: string | null }
    ): Effect.Effect<
      { readonly info: PairingCodeInfo; readonly code: PairingCode },
      ActFailure | PairingRefused
    >
    /** Newest first. */
    list(
      reach: Reach,
      agentId: AgentId,
      page: PageRequest
    ): Effect.Effect<Page<PairingCodeInfo>, Missing | InputInvalid>
    /** Cancels a pending code. One that is not pending any more stays what it is, and is answered so. */
    cancel(act: Act, agentId: AgentId, id: PairingCodeId): Effect.Effect<PairingCodeInfo, ActFailure>
    /**
     * Gives a token for a code, once. The nonce is the client's own 256 bits: with the same one the same answer
     * is given again for 60 seconds, wrapped meanwhile under a key that only the nonce opens. Any other try of
     * a used code is `pairing.used`, audited, and shown to the owner. What is no nonce is a confirmation that
     * failed.
     */
    redeem(
      request: Trying & { readonly code: string; readonly clientName: string; readonly nonce: string }
    ): Effect.Effect<
      { readonly token: Token; readonly info: TokenInfo; readonly paired: Paired },
      PairingRefused | LimitReached | InputInvalid | GatewayUnavailable
    >
    /** What a code stands for; it is not used up by that. Counts as a guess where it stands for nothing. */
    identify(
      request: Trying & { readonly code: string }
    ): Effect.Effect<Paired, PairingRefused | LimitReached | GatewayUnavailable>
    /** The same anew, for as long as the code is good. */
    standing(id: PairingCodeId): Effect.Effect<Paired, PairingRefused | GatewayUnavailable>
    /**
     * Uses the code up, in the transaction of whoever calls: of two at the same time one gets it. Everything
     * that is made of the code is made in that transaction.
     */
    spend(id: PairingCodeId, use: Use): Effect.Effect<Paired, PairingRefused | GatewayUnavailable>
    /**
     * Counts a step on a known code that failed its proof; at the fifth a pending code is locked. `what` failed,
     * as the trail shall say it: a failure's code.
     */
    confirmationFailed(
      id: PairingCodeId,
      what: string,
      requestId: string
    ): Effect.Effect<void, GatewayUnavailable>
  }
>()("tasker-codex-api/services/Pairing") {}
