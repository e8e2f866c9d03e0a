import { Context, type Effect } from "effect"
import type { GatewayUnavailable } from "../domain/Failure.ts"
import type { AuthorizationCode } from "../domain/OAuthCode.ts"
import type { OAuthRefused } from "../domain/OAuthFailure.ts"
import type { Scope } from "../domain/Scope.ts"
import type { Token } from "../domain/Token.ts"

/** What a client is given: the one time that these secrets are seen. */
export interface Issued {
  readonly access: Token
  readonly refresh: Token
  /** What the access token may be used for. */
  readonly scopes: ReadonlyArray<Scope>
  /** For how long the access token is good. */
  readonly expiresInSeconds: number
}

/**
 * Logins: tokens of kind `oauth`, whose secrets change while they last.
 *
 * - A login ends by itself 90 days after it was last refreshed, and by revocation at any time: of itself, by its
 *   owner in Tasker, or because a secret of it was used that no honest client has any more.
 * - Only SHA-256 of a secret is kept.
 * - What a known login's dead secret is refused for is put on record, as are a login and its end; a refresh that
 *   goes well is not, since there are dozens of them a day and each call after it is.
 */
export class Logins extends Context.Service<
  Logins,
  {
    /**
     * An authorization code for the first secrets of its login. With a wrong verifier, client or redirect URI the
     * code is void and counts against the pairing code that it came of; a code that was used before ends the login
     * that came of it (RFC 6749 section 4.1.2).
     */
    exchange(request: {
      readonly code: AuthorizationCode
      readonly clientId: string
      readonly redirectUri: string
      readonly verifier: string
      /** In our own spelling; undefined where none was named. */
      readonly resource: string | undefined
      readonly requestId: string
    }): Effect.Effect<Issued, OAuthRefused | GatewayUnavailable>
    /**
     * A refresh token for new secrets. It stays good until the refresh token that it gave is first used: a reply
     * that got lost locks nobody out. Asked again before that it takes back what it gave before, access token
     * included, and gives anew; who asks at the very same time is given the same. A refresh token that was taken
     * back, or one whose successor was used, ends the login: somebody else has it too (RFC 9700 section 4.14.2).
     *
     * `scopes` narrow the access token and nothing else (RFC 6749 section 6); more than the login has is
     * `invalid_scope`, and nothing is changed.
     */
    refresh(request: {
      readonly token: Token
      readonly clientId: string
      readonly scopes: ReadonlyArray<Scope> | undefined
      readonly requestId: string
    }): Effect.Effect<Issued, OAuthRefused | GatewayUnavailable>
    /**
     * Ends the login of an access or refresh token, dead or alive (RFC 7009). What is no such token, or ended
     * already, is answered alike. `invalid_grant` where another client than the login's asks.
     */
    revoke(request: {
      readonly token: Token
      readonly clientId: string | undefined
      readonly requestId: string
    }): Effect.Effect<void, OAuthRefused | GatewayUnavailable>
  }
>()("tasker-codex-api/services/Logins") {}
