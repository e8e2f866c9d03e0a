import { Context, type Effect } from "effect"
import type { OAuthClient } from "../domain/OAuthClient.ts"
import type { ClientRefused } from "../domain/OAuthFailure.ts"

/** Client ID metadata documents, fetched from where their client id says and held to what they must be. */
export class ClientDocuments extends Context.Service<
  ClientDocuments,
  {
    /** `address` is whose browser asks, as `ClientAddress` spells it: networks have their shares. */
    read(id: string, address: string): Effect.Effect<OAuthClient, ClientRefused>
  }
>()("tasker-codex-api/services/ClientDocuments") {}
