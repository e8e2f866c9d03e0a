import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Option } from "effect"
import type { Fragment } from "effect/sql/Statement"

/** The nouns of `domain/Principal.ts` as JSON, as the database makes it of their rows. */

/** Of a row named `a`. */
export const agentJson = (sql: PgClient): Fragment => sql`
  json_build_object(
    'id', a.id, 'owner_user_id', a.owner_user_id, 'owner_email', a.owner_email,
    'display_name', a.display_name, 'status', a.status,
    'disabled_reason', a.disabled_reason,
    'created_at', iso(a.created_at), 'updated_at', iso(a.updated_at)
  )`

/** Of a row named `t`. */
export const tokenJson = (sql: PgClient): Fragment => sql`
  json_build_object(
    'id', t.id, 'agent_id', t.agent_id, 'kind', t.kind, 'name', t.name, 'scopes', t.scopes, 'created_at', iso(t.created_at),
    'expires_at', iso(t.expires_at), 'revoked_at', iso(t.revoked_at)
  )`

const grantFields = (sql: PgClient, scopes: Fragment): Fragment => sql`
  'id', g.id, 'agent_id', g.agent_id, 'workspace_slug', g.workspace_slug, 'project_id', g.project_id,
  'scopes', ${scopes}, 'expires_at', iso(g.expires_at), 'max_writes_per_day', g.max_writes_per_day,
  'created_at', iso(g.created_at), 'updated_at', iso(g.updated_at), 'revoked_at', iso(g.revoked_at)`

/** Of a row named `g`. */
export const grantJson = (sql: PgClient): Fragment =>
  sql`json_build_object(${grantFields(sql, sql`g.scopes`)})`

/**
 * True if a grant `g` has expired, by the database's clock. If grants have a longest lifetime, one that does
 * not end within it counts as expired: it was made under other rules.
 */
export const grantExpired = (sql: PgClient, longest: Option.Option<Duration.Duration>): Fragment =>
  Option.isNone(longest)
    ? sql`coalesce(g.expires_at <= now(), false)`
    : sql`coalesce(
        g.expires_at <= now()
          or g.expires_at > g.updated_at + ${Duration.toSeconds(longest.value) + clockSkewSeconds}::integer * interval '1 second',
        true
      )`

/** The instant was checked by the clock of the process that made the grant. */
const clockSkewSeconds = 300

/**
 * A grant with what only the moment says of it. `within`, an array or null, narrows the scopes to those of a
 * login.
 */
export const standingGrantJson = (
  sql: PgClient,
  longest: Option.Option<Duration.Duration>,
  within: Fragment = sql`null::text[]`
): Fragment => sql`
  json_build_object(
    ${grantFields(
      sql,
      sql`array(
        select u.scope from unnest(g.scopes) with ordinality as u (scope, n)
        where ${within} is null or u.scope = any (${within}) order by u.n
      )`
    )},
    'expired', ${grantExpired(sql, longest)},
    'writes_today', coalesce((
      select w.writes from grant_writes w
      where w.grant_id = g.id and w.day = (now() at time zone 'UTC')::date
    ), 0)
  )`
