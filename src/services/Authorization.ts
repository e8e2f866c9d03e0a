import { Context, type Effect } from "effect"
import type { GatewayUnavailable, PairingRefused } from "../domain/Failure.ts"
import type { OAuthClient } from "../domain/OAuthClient.ts"
import type { AuthorizationCode } from "../domain/OAuthCode.ts"
import type { ConsentId } from "../domain/OAuthConsent.ts"
import type { ConsentGone } from "../domain/OAuthFailure.ts"
import type { AuthorizationRequest } from "../domain/OAuthRequest.ts"
import type { PairingCodeId } from "../domain/PairingCode.ts"
import type { Scope } from "../domain/Scope.ts"
import type { Trying } from "./Pairing.ts"

/** A consent that waits for its answer. */
export interface Consent {
  readonly id: ConsentId
  readonly pairingId: PairingCodeId
  /** SHA-256 of what its browser's cookie holds. */
  readonly browserHash: Uint8Array
  /** Of the request that it is about. */
  readonly requestHash: Uint8Array
  /** Until it can't be given any more: ten minutes, and no longer than its pairing code is good. */
  readonly secondsLeft: number
}

/** What a person agreed to. */
export interface Agreement extends Trying {
  readonly consent: Consent
  readonly client: OAuthClient
  readonly request: AuthorizationRequest
  /** What is ticked; never more than the request asks. */
  readonly scopes: ReadonlyArray<Scope>
  /** What is given for it: `codeOf` its browser and consent. */
  readonly code: AuthorizationCode
}

/**
 * The authorization endpoint's memory: who typed a good pairing code in which browser, and what they answered.
 * Nothing is kept of anybody before that. Whose form it is, is for the edge to prove before it comes here.
 */
export class Authorization extends Context.Service<
  Authorization,
  {
    /** Begins a consent for a code that `Pairing.identify` found good. The code is not used up by it. */
    open(
      about: Pick<Consent, "pairingId" | "browserHash" | "requestHash">
    ): Effect.Effect<Consent, GatewayUnavailable>
    /** A consent that waits. */
    consent(id: ConsentId): Effect.Effect<Consent, ConsentGone | GatewayUnavailable>
    /**
     * Uses the pairing code up and makes the authorization code good for a login of its agent: one transaction, so
     * that of two answers one counts. The authorization code is good once, for 60 seconds.
     */
    allow(agreement: Agreement): Effect.Effect<void, ConsentGone | PairingRefused | GatewayUnavailable>
    /** Whether a code was given for this request and waits to be exchanged. */
    waits(code: AuthorizationCode, request: AuthorizationRequest): Effect.Effect<boolean, GatewayUnavailable>
    /** Ends a consent without giving anything; its pairing code stays good. */
    deny(consent: Consent, requestId: string): Effect.Effect<void, ConsentGone | GatewayUnavailable>
  }
>()("tasker-codex-api/services/Authorization") {}
