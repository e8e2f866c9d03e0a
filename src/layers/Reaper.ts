import { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import type { Statement } from "effect/sql/Statement"
import { Settings } from "../Config.ts"
import { storage } from "./database/storage.ts"
import { oauthReaped } from "./oauth/oauthReaped.ts"
import { answeredAgainSeconds } from "./pairing/pairingFound.ts"
import { keyLifetime } from "./registry/administrativeAct.ts"

/** Rows a statement: short enough that nobody waits for it. */
const batch = 500

const interval = "1 minute"

/** For how long the row of a key is kept without its answer. */
const tombstone = "30 days"

/** For how long the owner still sees a pairing code that nobody used. */
const unusedCode = "30 days"

const decodeReaped = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ reaped: Schema.Int })]))

/**
 * Lets go of what has been kept for as long as promised, in small batches, in whichever instance comes
 * first: what another is just reaping is skipped. Nothing waits for it: whether an answer or a title has
 * had its time is judged where it is asked for, by the clock, not by whether it was reaped.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* PgClient
    const { changeRetention, duplicateWindow, idempotencyRetention } = yield* Settings
    const seconds = (duration: Duration.Duration) =>
      sql`${Duration.toSeconds(duration)}::integer * interval '1 second'`

    /** Answers: the key stays as a tombstone, which is never carried out again. */
    const answers = sql`
      with due as (
        select id from idempotency_keys
        where state = 'executed' and expired_at is null and settled_at <= now() - ${seconds(idempotencyRetention)}
        order by settled_at limit ${batch}::integer for update skip locked
      ), reaped as (
        update idempotency_keys k set answer = null, before = null, expired_at = now() from due where k.id = due.id
        returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** Keys whose answer has long expired. The trigger `used_key_is_kept` moves each to `used_keys`, which nothing reaps. */
    const tombstones = sql`
      with due as (
        select id from idempotency_keys
        where expired_at <= now() - ${tombstone}::interval
        order by expired_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from idempotency_keys k using due where k.id = due.id returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** Of keys that are free again, what came of them. */
    const notExecuted = sql`
      with due as (
        select id from idempotency_keys
        where state = 'not_executed' and settled_at <= now() - ${seconds(idempotencyRetention)}
        order by settled_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from idempotency_keys k using due where k.id = due.id returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** Before and after of changes: their hashes stay in the trail. */
    const changes = sql`
      with due as (
        select event_id from changes where created_at <= now() - ${seconds(changeRetention)}
        order by created_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from changes c using due where c.event_id = due.event_id returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** The same of writes that wait to be settled. They can be settled without it, and then no change is kept. */
    const unsettled = sql`
      with due as (
        select id from idempotency_keys
        where state in ('in_progress', 'unknown', 'unresolved') and before is not null
          and created_at <= now() - ${seconds(changeRetention)}
        limit ${batch}::integer for update skip locked
      ), reaped as (
        update idempotency_keys k set before = null from due where k.id = due.id returning 1
      )
      select count(*)::integer as reaped from reaped`

    const titles = sql`
      with due as (
        select agent_id, project_id, title_hash from recent_titles
        where reserved_at <= now() - ${seconds(duplicateWindow)}
        order by reserved_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from recent_titles t using due
        where t.agent_id = due.agent_id and t.project_id = due.project_id and t.title_hash = due.title_hash
        returning 1
      )
      select count(*)::integer as reaped from reaped`

    const lifecycleKeys = sql`
      with due as (
        select path, key from lifecycle_keys where created_at <= now() - ${keyLifetime}::interval
        order by created_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from lifecycle_keys k using due where k.path = due.path and k.key = due.key returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** What the rules of suspension count looks ten minutes back. */
    const denials = sql`
      with counts as (
        delete from denial_counts where minute < now() - interval '1 hour' returning 1
      ), refusals as (
        delete from refused_writes where minute < now() - interval '1 hour' returning 1
      )
      select 0 as reaped`

    /** What a redemption is answered again with; the minute is judged where it is asked for. */
    const pairingAnswers = sql`
      with due as (
        select id from pairing_codes
        where wrapped_token is not null
          and used_at <= now() - ${answeredAgainSeconds}::integer * interval '1 second'
        order by used_at limit ${batch}::integer for update skip locked
      ), reaped as (
        update pairing_codes p set nonce_hash = null, wrapped_token = null from due where p.id = due.id
        returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** Those that were used stay: they say how a token came to be. */
    const unusedCodes = sql`
      with due as (
        select id from pairing_codes
        where used_at is null and expires_at <= now() - ${unusedCode}::interval
        order by expires_at limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from pairing_codes p using due where p.id = due.id returning 1
      )
      select count(*)::integer as reaped from reaped`

    /** What is looked back on when a code is guessed are some minutes. */
    const guesses = sql`
      with due as (
        select account, minute from pairing_guesses where minute < now() - interval '1 hour'
        order by minute limit ${batch}::integer for update skip locked
      ), reaped as (
        delete from pairing_guesses g using due where g.account = due.account and g.minute = due.minute
        returning 1
      )
      select count(*)::integer as reaped from reaped`

    const pairing = [pairingAnswers, unusedCodes, guesses]
    const oauth = oauthReaped(sql, batch)

    /** To the end of what there is, batch by batch; what fails keeps none of the others from being reaped. */
    const reap = (statement: Statement<unknown>) =>
      Effect.repeat(
        Effect.map(storage(statement.pipe(Effect.flatMap(decodeReaped))), ([{ reaped }]) => reaped),
        { while: (reaped) => reaped === batch }
      ).pipe(
        Effect.catchCause((cause) => Effect.logError("What has had its time could not be let go of", cause))
      )

    yield* Effect.forEach(
      [
        ...[answers, tombstones, notExecuted, changes, unsettled, titles, lifecycleKeys, denials],
        ...pairing,
        ...oauth
      ],
      reap,
      { discard: true }
    ).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)
  })
)
