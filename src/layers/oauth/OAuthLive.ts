import { Layer } from "effect"
import * as AuthorizationPostgres from "./AuthorizationPostgres.ts"
import * as ClientDocumentsLive from "./ClientDocumentsLive.ts"
import * as LoginsPostgres from "./LoginsPostgres.ts"
import * as OAuthClientsPostgres from "./OAuthClientsPostgres.ts"

/** All that a login is made of: who may ask for one, what a person answers, and what comes of it. */
export const layer = Layer.mergeAll(
  AuthorizationPostgres.layer,
  LoginsPostgres.layer,
  OAuthClientsPostgres.layer.pipe(Layer.provide(ClientDocumentsLive.layer))
)
