import { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlError } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import { Settings } from "../../Config.ts"
import type { AuditEvent } from "../../domain/AuditEvent.ts"
import { type Change, ChangedFields } from "../../domain/Change.ts"
import { GatewayUnavailable } from "../../domain/Failure.ts"
import { type AgentId, IssueId, OperationId, type ProjectId } from "../../domain/Ids.ts"
import {
  type Answer,
  type KeyHolder,
  keyInProgress,
  type Lease,
  type Operation,
  upstreamKey
} from "../../domain/Operation.ts"
import { quotaReached } from "../../domain/Quota.ts"
import { firstLook } from "../../domain/Recovery.ts"
import { type MadeBefore, possibleDuplicate } from "../../domain/Repetition.ts"
import { Write } from "../../domain/Write.ts"
import { GrantPolicy } from "../../services/GrantPolicy.ts"
import {
  type Doubt,
  type DoubtTimes,
  type Execution,
  Idempotency,
  type Intent,
  type Repetition,
  type Reservation
} from "../../services/Idempotency.ts"
import { insertEvent } from "../audit/auditSql.ts"
import { insertChange } from "../audit/changeSql.ts"
import { brokenConstraint, isBroken, isUndone, repeatable, storage } from "../database/storage.ts"
import { CallerRow, callerStatement, keyHolderOf } from "./callerSql.ts"
import {
  held,
  leaseMillis,
  raisedSentUntil,
  sendUntil,
  sentUntil,
  TriesRow,
  triesColumns,
  triesOf
} from "./leases.ts"
import { RateGate } from "./RateGate.ts"
import { askedOf, ReservedRow, reserveStatement } from "./reserveSql.ts"
import { judge, unknownToken, withinRate } from "./TokenStorePostgres.ts"
import { returnTitle, titlesReturned } from "./titleSql.ts"

/**
 * Keeps the promise of `services/Idempotency.ts` with one statement a step, each a transaction of its
 * own. Every statement may be carried out twice without harm, so each is repeated once where its
 * connection broke: reserving finds its own row, an outcome finds itself recorded.
 *
 * Every write waits for these methods, which therefore have no spans of their own: the statements have
 * theirs.
 */

const decodeReserved = Schema.decodeUnknownEffect(Schema.Array(ReservedRow))
const decodeCallers = Schema.decodeUnknownEffect(Schema.Array(CallerRow))
const decodeClaimed = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      ...TriesRow.fields,
      fence: Schema.Int,
      intent: Write,
      before: Schema.NullOr(ChangedFields)
    })
  )
)
const decodeVersions = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ version: Schema.String })))
const decodeRecorded = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ recorded: Schema.Boolean })]))
const decodeMade = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      issue_id: Schema.NullOr(IssueId),
      identifier: Schema.NullOr(Schema.String),
      url: Schema.NullOr(Schema.String)
    })
  )
)

/** Nothing was sent, but where the reservation stands all the same, recovery carries it out once its lease ran out. */
const reservedUnheard = () =>
  new GatewayUnavailable({
    reason: "unavailable",
    message:
      "The gateway's database failed while this write was being put on record. Nothing was sent to Tasker yet, but it may still be carried out: repeat the same call with the same idempotency_key, which settles it and never does it twice.",
    retryable: true,
    details: { retry_after_seconds: 2 }
  })

export const layer = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const random = yield* SecureRandom.SecureRandom
    const policy = yield* GrantPolicy
    const gate = yield* RateGate
    const settings = yield* Settings
    const lease = leaseMillis(settings)
    const lookAfter = Duration.toMillis(firstLook(settings.taskerTimeout))

    /**
     * A write that was not done gives its title back and costs its grant nothing: in this order, in which
     * reserving takes both, so that the two never wait for each other.
     */
    const unused = sql`, ${titlesReturned(sql)}, uncounted as (
        update grant_writes w set writes = greatest(w.writes - 1, 0)
        from changed
        where changed.counted and w.grant_id = changed.grant_id
          and w.day = (changed.created_at at time zone 'UTC')::date
          and (select count(*) from untitled) + (select count(*) from given_back) >= 0
      )`

    /** What the key of a call stands for now. */
    const holderOf = (intent: Intent) => {
      const asked = { ...askedOf(intent, settings), counting: undefined }
      return Effect.map(
        storage(repeatable(callerStatement(sql, asked)).pipe(Effect.flatMap(decodeCallers)), reservedUnheard),
        ([row]) => (row === undefined ? undefined : keyHolderOf(row))
      )
    }

    /**
     * Runs the statement, and once more if its connection broke. `repeated`: the first run may have been committed,
     * or may still be.
     */
    const run = (intent: Intent, id: string) => {
      const once = Effect.map(
        Effect.flatMap(reserveStatement(sql, settings, intent, id, lease), decodeReserved),
        ([row]) => row
      )
      const twice = Effect.gen(function* () {
        const first = yield* Effect.result(once)
        if (Result.isSuccess(first)) return { row: first.success, repeated: false }
        const { failure } = first
        if (isQuotaReached(failure)) return yield* quotaRefused()
        if (!isBroken(failure)) return yield* failure
        const repeated = !isUndone(failure)
        const second = yield* Effect.result(once)
        if (Result.isSuccess(second)) return { row: second.success, repeated }
        if (!isQuotaReached(second.failure)) return yield* second.failure
        return yield* repeated ? Effect.fail(reservedUnheard()) : quotaRefused()
      })
      return gate.pass(askedOf(intent, settings), storage(twice, reservedUnheard), ({ row }) => row)
    }

    /**
     * A repeated reservation looks for its own row before it judges its caller, and tells no refusal that the first
     * run may make untrue: it ends with that row, with what else the key stands for, or as not known.
     */
    const reserve = Effect.fnUntraced(function* (
      intent: Intent
    ): Effect.fn.Return<Reservation, Effect.Error<ReturnType<Idempotency["Service"]["reserve"]>>> {
      const id = yield* random.uuidV7()
      const until = yield* sendUntil(settings)
      const { repeated, row } = yield* run(intent, id)
      const certainly = <A, E>(refusing: Effect.Effect<A, E>): Effect.Effect<A, E | GatewayUnavailable> =>
        repeated ? Effect.catch(refusing, () => Effect.fail(reservedUnheard())) : refusing
      if (row === undefined) return yield* certainly(Effect.fail(unknownToken(intent.token)))
      const seen =
        row.reserved !== null
          ? undefined
          : (keyHolderOf(row) ?? (repeated ? yield* holderOf(intent) : undefined))
      const mine = row.reserved !== null || isOwn(seen, id)
      const leased: Lease = {
        operationId: OperationId.make(id),
        fence: 1,
        upstreamKey: upstreamKey(row.agent.id, intent.key),
        sendUntil: until
      }
      const authorised = Effect.gen(function* () {
        const { principal } = yield* judge(row)
        if (!mine) yield* withinRate(row, askedOf(intent, settings).counting)
        return { principal, grant: yield* policy.authorise(principal, intent.scope, intent.projectId) }
      })
      const { grant, principal } = yield* mine
        ? Effect.tapError(authorised, () => withdraw(leased))
        : certainly(authorised)
      if (mine) {
        const tries = { firstAt: row.now, age: 0, restless: 0, reused: row.reused, resent: false }
        return { _tag: "Reserved", principal, grant, lease: leased, tries }
      }
      // With nothing reserved and no key in sight, another call took it after this statement's snapshot.
      const taken = seen ?? (yield* holderOf(intent))
      if (row.titled && intent.repetition !== undefined && taken !== undefined)
        yield* giveTitle(id, intent, taken)
      if (taken !== undefined) return { _tag: "Taken", principal, grant, operation: taken }
      if (row.titled || intent.repetition === undefined) return yield* certainly(Effect.fail(keyInProgress()))
      const made = yield* duplicateOf(principal.agent.id, intent.projectId, intent.repetition)
      return yield* certainly(Effect.fail(possibleDuplicate(Option.getOrNull(made))))
    })

    /** Takes back a reservation of which nothing was sent, since its caller may not make the write any more. */
    const withdraw = (lease: Lease) =>
      Effect.flatMap(
        storage(
          sql`
            with changed as (
              delete from idempotency_keys where ${held(sql, lease)}
              returning id, grant_id, created_at, counted
            )${unused}
            select exists (select from changed) as recorded`.pipe(Effect.flatMap(decodeRecorded)),
          reservedUnheard
        ),
        ([{ recorded }]) => (recorded ? Effect.void : Effect.fail(reservedUnheard()))
      )

    /** A title taken for a key that was taken meanwhile goes to the write behind that key, or back to where it was. */
    const giveTitle = (id: string, { fingerprint }: Intent, taken: KeyHolder) =>
      storage(
        taken !== "used" && taken.fingerprint === fingerprint
          ? sql`update recent_titles set operation_id = ${taken.id} where operation_id = ${id}::uuid`
          : returnTitle(sql, id)
      )

    const duplicateOf = (agentId: AgentId, projectId: ProjectId, { allowed, titleHash }: Repetition) =>
      Duration.isZero(settings.duplicateWindow) || allowed
        ? Effect.succeed(Option.none<MadeBefore | null>())
        : Effect.map(
            storage(
              sql`
                select k.issue_id, k.answer -> 'issue' ->> 'identifier' as identifier,
                  k.answer -> 'issue' ->> 'url' as url
                from recent_titles t
                left join idempotency_keys k on k.id = t.operation_id
                where t.agent_id = ${agentId} and t.project_id = ${projectId} and t.title_hash = ${titleHash}
                  and t.reserved_at > now()
                    - ${Duration.toSeconds(settings.duplicateWindow)}::integer * interval '1 second'`.pipe(
                Effect.flatMap(decodeMade)
              )
            ),
            ([row]): Option.Option<MadeBefore | null> =>
              row === undefined
                ? Option.none()
                : Option.some(
                    row.issue_id === null
                      ? null
                      : {
                          id: row.issue_id,
                          ...(row.identifier === null ? {} : { identifier: row.identifier }),
                          ...(row.url === null ? {} : { url: row.url })
                        }
                  )
          )

    const claim = Effect.fnUntraced(function* (operation: Operation) {
      const until = yield* sendUntil(settings)
      const rows = yield* storage(
        repeatable(sql`
          update idempotency_keys k
          set state = 'in_progress', fence = fence + 1, look_at = null, sent_until = ${sentUntil(sql)},
              lease_until = now() + ${lease}::integer * interval '1 millisecond'
          where id = ${operation.id} and fence = ${operation.fence}
            and (state in ('unknown', 'unresolved') or (state = 'in_progress' and lease_until <= now()))
          returning fence, intent, before, ${triesColumns(sql, settings)}`).pipe(
          Effect.flatMap(decodeClaimed)
        )
      )
      return Option.map(Option.fromUndefinedOr(rows[0]), ({ before, fence, intent, ...tries }) => ({
        lease: {
          operationId: operation.id,
          fence,
          upstreamKey: upstreamKey(operation.agent_id, operation.key),
          sendUntil: until
        } satisfies Lease,
        write: intent,
        before,
        tries: triesOf(tries)
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

    const complete = (
      lease: Lease,
      answer: Answer,
      event: AuditEvent,
      change: Change | undefined,
      { checkLater, doubled }: Execution
    ) =>
      record(
        event,
        sql`
          update idempotency_keys
          set state = 'executed', answer = ${sql.json(answer)}, issue_id = ${event.issue_id}::uuid,
              intent = null, before = null, reason = null, lease_until = null, settled_at = now(),
              doubled = ${doubled !== undefined}::boolean,
              check_at = ${
                checkLater
                  ? sql`now() + ${Duration.toMillis(settings.settleAfter)}::integer * interval '1 millisecond'`
                  : sql`null`
              }
          where ${held(sql, lease)}
          returning id`,
        sql`${
          change === undefined
            ? sql``
            : sql`, kept as (${insertChange(sql, event, change, answer.issue, sql`from changed`)})`
        }${doubled === undefined ? sql`` : sql`, twin as (${insertEvent(sql, doubled, sql`from changed`)})`}`
      )

    const release = (lease: Lease, event: AuditEvent) =>
      record(
        event,
        sql`
          delete from idempotency_keys where ${held(sql, lease)}
          returning id, grant_id, created_at, counted`,
        unused
      )

    const refute = (lease: Lease, because: string, event: AuditEvent) =>
      record(
        event,
        sql`
          update idempotency_keys
          set state = 'not_executed', intent = null, before = null, reason = ${because},
              lease_until = null, settled_at = now()
          where ${held(sql, lease)}
          returning id, grant_id, created_at, counted`,
        unused
      )

    const doubt = (
      lease: Lease,
      doubt: Doubt,
      because: string,
      event: AuditEvent,
      { sentMillisAgo, waitMillis }: DoubtTimes
    ) => {
      const sent = raisedSentUntil(sql, sentMillisAgo)
      const next = sql`greatest(
        coalesce(next_look, now() + ${lookAfter}::integer * interval '1 millisecond'),
        now() + ${Math.ceil(waitMillis)}::integer * interval '1 millisecond'
      )`
      return record(
        event,
        doubt === "unresolved"
          ? sql`
              update idempotency_keys
              set state = 'unresolved', reason = ${because}, lease_until = null, sent_until = ${sent}
              where ${held(sql, lease)}
              returning id`
          : sql`
              update idempotency_keys
              set state = 'unknown', reason = ${because}, lease_until = null, sent_until = ${sent},
                  look_at = ${next}, next_look = ${next}
              where ${held(sql, lease)}
              returning id`
      )
    }

    const versionAnswered = (agentId: AgentId, issueId: IssueId, updatedAt: string) =>
      Effect.map(
        storage(
          sql`
            select answer -> 'issue' ->> 'version' as version from idempotency_keys
            where agent_id = ${agentId}::uuid and issue_id = ${issueId}::uuid and state = 'executed'
              and settled_at > now()
                - ${Duration.toSeconds(settings.idempotencyRetention)}::integer * interval '1 second'
              and answer is not null and answer -> 'issue' ->> 'updated_at' = ${updatedAt}
              and answer -> 'issue' ->> 'version' is not null
            order by settled_at desc
            limit 1`.pipe(Effect.flatMap(decodeVersions))
        ),
        ([row]) => Option.map(Option.fromUndefinedOr(row), ({ version }) => version)
      )

    return Idempotency.of({ reserve, duplicateOf, claim, complete, release, refute, doubt, versionAnswered })
  })
).pipe(Layer.provide(RateGate.layer))

const isOwn = (holder: KeyHolder | undefined, id: string): boolean =>
  holder !== undefined &&
  holder !== "used" &&
  holder.id === id &&
  holder.state === "in_progress" &&
  holder.fence === 1

const isQuotaReached = (error: unknown): boolean =>
  SqlError.isSqlError(error) && brokenConstraint(error) === "grant_writes_within_quota"

const quotaRefused = () => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(quotaReached(now)))
