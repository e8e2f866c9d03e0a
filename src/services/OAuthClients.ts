import { Context, type Effect } from "effect"
import type { GatewayUnavailable, LimitReached } from "../domain/Failure.ts"
import type { OAuthClient } from "../domain/OAuthClient.ts"
import type { ClientRefused } from "../domain/OAuthFailure.ts"

/** What a program says of itself when it registers: names and addresses that were looked at already. */
export interface Registration {
  readonly name: string | null
  readonly redirectUris: ReadonlyArray<string>
  /** The address that it comes from, as `ClientAddress` spells it. */
  readonly address: string
}

/**
 * Programs that may ask for a login: those that registered themselves (RFC 7591), and those whose client id is
 * the address of a document that says who they are (draft-ietf-oauth-client-id-metadata-document).
 */
export class OAuthClients extends Context.Service<
  OAuthClients,
  {
    /**
     * Registers a program. So many of a network and so many in all may do so in an hour: past that it is
     * `limit.rate`. A registration that no login came of is forgotten after seven days.
     */
    register(
      registration: Registration
    ): Effect.Effect<
      { readonly client: OAuthClient; readonly issuedAt: Date },
      LimitReached | GatewayUnavailable
    >
    /**
     * Who a client id stands for. A document is read only of the hosts that the operator named, over HTTPS and
     * from public addresses, and kept for some minutes. `unreadable` where that does not come about.
     * `address` is whose browser asks: a network can't have more than its share of documents read.
     */
    find(id: string, address: string): Effect.Effect<OAuthClient, ClientRefused | GatewayUnavailable>
    /** Whether documents are read at all: some host is named. */
    readonly readsDocuments: boolean
  }
>()("tasker-codex-api/services/OAuthClients") {}
