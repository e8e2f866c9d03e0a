import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment } from "effect/sql/Statement"
import { hash, kindOf, type Token } from "../../domain/Token.ts"

/** How the row `t` of `tokens` is found that a bearer stands for, and what its secret alone says of it. */
interface Holder {
  /** What to select from: `t`, and of a login the secret `s`. */
  readonly from: Fragment
  /** That it is this token's. */
  readonly is: Fragment
  /** That it is, and may be used as far as the token itself goes. */
  readonly isLive: Fragment
  readonly isRevoked: Fragment
  readonly isExpired: Fragment
  /** The scopes to which the token is narrowed, as an array; null: not at all. */
  readonly scopes: Fragment
}

/**
 * The prefix says where to look: an agent token by its own hash, an access token by that of one of its login's
 * secrets. A refresh token is nobody's bearer and is never found. Whatever ends a login ends its access tokens
 * at once, since both are read together.
 */
export const holder = (sql: PgClient, token: Token): Holder => {
  if (kindOf(token) === "agent") {
    const is = sql`t.hash = ${hash(token)}`
    return {
      from: sql`tokens t`,
      is,
      isLive: sql`${is} and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())`,
      isRevoked: sql`t.revoked_at is not null`,
      isExpired: sql`coalesce(t.expires_at <= now(), false)`,
      scopes: sql`null::text[]`
    }
  }
  const is = sql`s.hash = ${hash(token)} and s.kind = 'access'`
  return {
    from: sql`tokens t join oauth_secrets s on s.token_id = t.id`,
    is,
    isLive: sql`${is} and s.state = 'live' and s.expires_at > now() and t.revoked_at is null and t.expires_at > now()`,
    isRevoked: sql`t.revoked_at is not null or s.state = 'void'`,
    isExpired: sql`s.expires_at <= now() or t.expires_at <= now()`,
    scopes: sql`coalesce(s.scopes, t.scopes)`
  }
}
