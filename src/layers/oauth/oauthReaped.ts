import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Statement } from "effect/sql/Statement"
import { unusedFor } from "./OAuthClientsPostgres.ts"

/** For how long a code that was given is known: used again within that, it ends what came of it. */
const codeKnown = "1 day"
/** For how long a secret is known after its end. Longer than any client keeps one, so that a late use is seen. */
const secretKnown = "1 day"

/** What of logins has had its time; each statement takes a batch and says how many that were. */
export const oauthReaped = (sql: PgClient, batch: number): ReadonlyArray<Statement<unknown>> => [
  sql`
    with due as (
      select id from oauth_consents where expires_at <= now()
      order by expires_at limit ${batch}::integer for update skip locked
    ), reaped as (
      delete from oauth_consents c using due where c.id = due.id returning 1
    )
    select count(*)::integer as reaped from reaped`,
  sql`
    with due as (
      select hash from oauth_codes where expires_at <= now() - ${codeKnown}::interval
      order by expires_at limit ${batch}::integer for update skip locked
    ), reaped as (
      delete from oauth_codes c using due where c.hash = due.hash returning 1
    )
    select count(*)::integer as reaped from reaped`,
  sql`
    with due as (
      select hash from oauth_secrets where expires_at <= now() - ${secretKnown}::interval
      order by expires_at limit ${batch}::integer for update skip locked
    ), reaped as (
      delete from oauth_secrets s using due where s.hash = due.hash returning 1
    )
    select count(*)::integer as reaped from reaped`,
  // Who asked at the same time has asked by then.
  sql`
    with due as (
      select hash from oauth_secrets
      where sealed_answer is not null and exchanged_at <= now() - interval '1 minute'
      order by exchanged_at limit ${batch}::integer for update skip locked
    ), reaped as (
      update oauth_secrets s set sealed_answer = null from due where s.hash = due.hash returning 1
    )
    select count(*)::integer as reaped from reaped`,
  sql`
    with due as (
      select c.id from oauth_clients c
      where c.created_at <= now() - ${unusedFor}::interval and not exists (
        select from tokens t
        where t.client_id = c.id::text and t.revoked_at is null and t.expires_at > now()
      )
      order by c.created_at limit ${batch}::integer for update skip locked
    ), reaped as (
      delete from oauth_clients c using due where c.id = due.id returning 1
    )
    select count(*)::integer as reaped from reaped`
]
