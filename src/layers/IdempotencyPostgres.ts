import { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlError } from "effect/sql"
import type { Fragment, Statement } from "effect/sql/Statement"
import { Settings } from "../Config.ts"
import type { AuditEvent } from "../domain/AuditEvent.ts"
import { OperationId } from "../domain/Ids.ts"
import { type Answer, keyInProgress, type Lease, type Operation, upstreamKey } from "../domain/Operation.ts"
import { quotaReached } from "../domain/Quota.ts"
import { hash } from "../domain/Token.ts"
import { issueOf, Write } from "../domain/Write.ts"
import { GrantPolicy } from "../services/GrantPolicy.ts"
import { Idempotency, type Intent, type Reservation } from "../services/Idempotency.ts"
import { insertEvent } from "./auditSql.ts"
import { CallerRow, callerRow } from "./callerSql.ts"
import { brokenConstraint, repeatable, storage } from "./storage.ts"
import { judge, unknownToken } from "./TokenStorePostgres.ts"

/**
 * Keeps the promise of `services/Idempotency.ts` with one statement a step, each a transaction of its
 * own. Every statement may be carried out twice without harm, so each is repeated once where its
 * connection broke: reserving finds its own row, an outcome finds itself recorded.
 *
 * Every write waits for these methods, which therefore have no spans of their own: the statements have
 * theirs.
 */

const ReservedRow = Schema.Struct({ ...CallerRow.fields, reserved: Schema.NullOr(OperationId) })
const decodeReserved = Schema.decodeUnknownEffect(Schema.Array(ReservedRow))
const decodeCallers = Schema.decodeUnknownEffect(Schema.Array(CallerRow))
const decodeClaimed = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ fence: Schema.Int, intent: Write }))
)
const decodeRecorded = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ recorded: Schema.Boolean })]))

/** What a lease lasts beyond the longest call, so that one that ends in time never loses it. */
const leaseMargin = Duration.seconds(30)

export const layer = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const policy = yield* GrantPolicy
    const settings = yield* Settings
    const lease = Duration.toMillis(Duration.sum(settings.callDeadline, leaseMargin))

    /**
     * `caller` is who asks, as the database knows it in this instant; `allowed` is the grant that
     * admits this write, if one does; the key is inserted only for an allowed caller and only where
     * it is free; `counted` fails the whole by its constraint where the day's writes are used up.
     */
    const reserveStatement = (id: string, intent: Intent): Statement<unknown> => sql`
      with caller as materialized (
        ${callerRow(sql, hash(intent.token), intent.key)}
      ), allowed as (
        select t.id as token_id, t.agent_id, g.id as grant_id, g.max_writes_per_day
        from tokens t
        join agents a on a.id = t.agent_id
        join grants g on g.agent_id = t.agent_id and g.revoked_at is null
        where t.hash = ${hash(intent.token)}
          and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
          and a.status = 'active'
          and g.project_id = ${intent.projectId}
          and (g.expires_at is null or g.expires_at > now())
          and ${intent.scope}::text = any (g.scopes)
      ), reserved as (
        insert into idempotency_keys (
          id, agent_id, key, tool, project_id, issue_id, grant_id, token_id, fingerprint, state,
          lease_until, intent, request_id, counted
        )
        select
          ${id}::uuid, agent_id, ${intent.key}, ${intent.tool}, ${intent.projectId}::uuid,
          ${issueOf(intent.write)}::uuid, grant_id, token_id, ${intent.fingerprint}, 'in_progress',
          now() + ${lease}::integer * interval '1 millisecond', ${sql.json(intent.write)},
          ${intent.requestId}, max_writes_per_day is not null
        from allowed
        on conflict (agent_id, key) do nothing
        returning id, grant_id
      ), counted as (
        insert into grant_writes (grant_id, day, writes, max_writes)
        select allowed.grant_id, (now() at time zone 'UTC')::date, 1, allowed.max_writes_per_day
        from reserved join allowed on allowed.grant_id = reserved.grant_id
        where allowed.max_writes_per_day is not null
        on conflict (grant_id, day) do update
          set writes = grant_writes.writes + 1, max_writes = excluded.max_writes
      )
      select caller.*, (select id from reserved) as reserved from caller`

    /** What the key of a call stands for now. */
    const operationOf = ({ key, token }: Intent) =>
      Effect.map(
        storage(repeatable(callerRow(sql, hash(token), key)).pipe(Effect.flatMap(decodeCallers))),
        ([row]) => row?.operation ?? undefined
      )

    const reserve = Effect.fnUntraced(function* (
      intent: Intent
    ): Effect.fn.Return<Reservation, Effect.Error<ReturnType<Idempotency["Service"]["reserve"]>>> {
      const id = yield* random.uuidV7()
      const rows = yield* storage(
        repeatable(reserveStatement(id, intent)).pipe(
          Effect.flatMap(decodeReserved),
          Effect.catchIf(
            (error) => SqlError.isSqlError(error) && brokenConstraint(error) === "grant_writes_within_quota",
            () => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(quotaReached(now)))
          )
        )
      )
      const [row] = rows
      if (row === undefined) return yield* unknownToken()
      const { principal, operation } = yield* judge(row)
      const grant = yield* policy.authorise(principal, intent.scope, intent.projectId)
      // With nothing reserved and no key in sight, it was taken after this statement's snapshot: by another call,
      // or by the first run of this very reservation, whose reply got lost. A look of its own tells which.
      const taken = row.reserved !== null ? undefined : (operation ?? (yield* operationOf(intent)))
      const mine = taken?.id === id && taken.state === "in_progress" && taken.fence === 1
      if (row.reserved !== null || mine) {
        const lease: Lease = {
          operationId: OperationId.make(id),
          fence: 1,
          upstreamKey: upstreamKey(principal.agent.id, intent.key)
        }
        return { _tag: "Reserved", principal, grant, lease }
      }
      return taken === undefined
        ? yield* keyInProgress()
        : { _tag: "Taken", principal, grant, operation: taken }
    })

    const claim = Effect.fnUntraced(function* (operation: Operation) {
      const rows = yield* storage(
        repeatable(sql`
          update idempotency_keys
          set state = 'in_progress', fence = fence + 1,
              lease_until = now() + ${lease}::integer * interval '1 millisecond'
          where id = ${operation.id} and fence = ${operation.fence}
            and (state = 'unknown' or (state = 'in_progress' and lease_until <= now()))
          returning fence, intent`).pipe(Effect.flatMap(decodeClaimed))
      )
      return Option.map(Option.fromUndefinedOr(rows[0]), ({ fence, intent }) => ({
        lease: {
          operationId: operation.id,
          fence,
          upstreamKey: upstreamKey(operation.agent_id, operation.key)
        } satisfies Lease,
        write: intent
      }))
    })

    /**
     * Runs a statement that changes a key and adds the event, both or neither, so that whether it was
     * carried out is whether the event is in the trail. That is asked anew where the statement found
     * nothing to change: it may be the second run of one whose reply got lost, and what the first one
     * committed meanwhile is not in its snapshot.
     */
    const record = Effect.fnUntraced(function* (
      event: AuditEvent,
      change: Fragment,
      besides: Fragment = sql``
    ) {
      const [done] = yield* storage(
        repeatable(sql`
          with changed as (${change}) ${besides}, event as (${insertEvent(sql, event, sql`from changed`)})
          select exists (select from changed) as recorded`).pipe(Effect.flatMap(decodeRecorded))
      )
      if (done.recorded) return "Recorded" as const
      const [before] = yield* storage(
        repeatable(sql`select exists (select from audit_events where id = ${event.id}) as recorded`).pipe(
          Effect.flatMap(decodeRecorded)
        )
      )
      return before.recorded ? ("Recorded" as const) : ("LeaseLost" as const)
    })

    const held = (lease: Lease) => sql`
      id = ${lease.operationId} and fence = ${lease.fence} and state = 'in_progress'`

    const complete = (lease: Lease, answer: Answer, event: AuditEvent) =>
      record(
        event,
        sql`
          update idempotency_keys
          set state = 'executed', answer = ${sql.json(answer)}, issue_id = ${event.issue_id}::uuid,
              intent = null, lease_until = null, settled_at = now()
          where ${held(lease)}
          returning id`
      )

    const release = (lease: Lease, event: AuditEvent) =>
      record(
        event,
        sql`
          delete from idempotency_keys where ${held(lease)}
          returning id, grant_id, created_at, counted`,
        sql`, uncounted as (
          update grant_writes w set writes = greatest(w.writes - 1, 0)
          from changed
          where changed.counted and w.grant_id = changed.grant_id
            and w.day = (changed.created_at at time zone 'UTC')::date
        )`
      )

    const doubt = (lease: Lease, event: AuditEvent) =>
      record(
        event,
        sql`
          update idempotency_keys set state = 'unknown', lease_until = null
          where ${held(lease)}
          returning id`
      )

    return Idempotency.of({ reserve, claim, complete, release, doubt })
  })
)
