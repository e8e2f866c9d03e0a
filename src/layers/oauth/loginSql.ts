import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Schema } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { Settings } from "../../Config.ts"
import { auditEntry } from "../../domain/AuditEvent.ts"
import { AgentId, TokenId, UserId } from "../../domain/Ids.ts"
import { loginDays } from "../../domain/Login.ts"
import { Scope } from "../../domain/Scope.ts"
import { fromBytes, hash } from "../../domain/Token.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { Issued } from "../../services/Logins.ts"

/** A login as it stands, with its agent. */
export const LoginRow = Schema.Struct({
  id: TokenId,
  agent_id: AgentId,
  owner_user_id: UserId,
  client_id: Schema.String,
  scopes: Schema.Array(Scope),
  revoked: Schema.Boolean,
  ended: Schema.Boolean,
  disabled: Schema.Boolean
})
export type LoginRow = typeof LoginRow.Type

/** What is read and written of logins, in the transaction of whoever calls. */
export const makeLogins = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  audit: AuditLog["Service"],
  settings: Settings["Service"]
) => {
  /** The columns of `LoginRow`, of `t` and its agent `a`. */
  const columns = sql`
    t.id::text as id, a.id::text as agent_id, a.owner_user_id, t.client_id, to_json(t.scopes) as scopes,
    t.revoked_at is not null as revoked, t.expires_at <= now() as ended, a.status = 'disabled' as disabled`

  /** Gives a login the secrets of a turn, and its whole time again. */
  const issue = Effect.fnUntraced(function* (
    login: LoginRow,
    turn: number,
    narrowed: ReadonlyArray<Scope> | undefined
  ) {
    const access = fromBytes(yield* random.randomBytes(32), "access")
    const refresh = fromBytes(yield* random.randomBytes(32), "refresh")
    const expiresInSeconds = Duration.toSeconds(settings.accessTokenLife)
    const scopes =
      narrowed === undefined
        ? sql`null`
        : sql`array(select jsonb_array_elements_text(${sql.json(narrowed)}::jsonb))`
    const end = sql`now() + ${loginDays}::integer * interval '1 day'`
    yield* sql`
      insert into oauth_secrets (hash, token_id, kind, turn, scopes, expires_at)
      values
        (
          ${hash(access)}, ${login.id}::uuid, 'access', ${turn}::integer, ${scopes},
          now() + ${expiresInSeconds}::integer * interval '1 second'
        ),
        (${hash(refresh)}, ${login.id}::uuid, 'refresh', ${turn}::integer, null, ${end})`
    yield* sql`update tokens set expires_at = ${end} where id = ${login.id}::uuid`
    return { access, refresh, scopes: narrowed ?? login.scopes, expiresInSeconds } satisfies Issued
  })

  const record = (
    login: LoginRow,
    action: string,
    requestId: string,
    outcome: "executed" | "denied" = "executed",
    reason: string | null = null
  ) =>
    audit.record(
      auditEntry({
        action,
        outcome,
        reason,
        agent: { id: login.agent_id, owner_user_id: login.owner_user_id },
        token: { id: login.id },
        request_id: requestId,
        via: "rest"
      })
    )

  /** Ends a login, once, with its event. */
  const end = Effect.fnUntraced(function* (login: LoginRow, requestId: string) {
    const ended = yield* sql`
      update tokens set revoked_at = now() where id = ${login.id}::uuid and revoked_at is null returning 1 as ended`
    if (ended.length > 0) yield* record(login, "token.revoked", requestId)
  })

  return { columns, issue, record, end }
}
export type Logins = ReturnType<typeof makeLogins>
