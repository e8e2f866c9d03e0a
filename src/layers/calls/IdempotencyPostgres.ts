import { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Option, Schema } from "effect"
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
  keyInProgress,
  keyResting,
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
  type DoubtFacts,
  type Execution,
  Idempotency,
  type Intent,
  type Repetition,
  type Reservation
} from "../../services/Idempotency.ts"
import { insertEvent } from "../audit/auditSql.ts"
import { insertChange } from "../audit/changeSql.ts"
import { brokenConstraint, repeatable, storage } from "../database/storage.ts"
import { CallerRow, callerStatement } from "./callerSql.ts"
import {
  held,
  leaseMillis,
  raisedResentMoved,
  raisedSentUntil,
  resentMoved,
  sendUntil,
  sentUntil,
  TriesRow,
  triesColumns,
  triesOf
} from "./leases.ts"
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
    const settings = yield* Settings
    const lease = leaseMillis(settings)
    const lookAfter = Duration.toMillis(firstLook(settings.taskerTimeout))

    /** What the key of a call stands for now. */
    const operationOf = (intent: Intent) => {
      const asked = { ...askedOf(intent, settings), counting: undefined }
      return Effect.map(
        storage(repeatable(callerStatement(sql, asked)).pipe(Effect.flatMap(decodeCallers))),
        ([row]) => row?.operation ?? undefined
      )
    }

    const reserve = Effect.fnUntraced(function* (
      intent: Intent
    ): Effect.fn.Return<Reservation, Effect.Error<ReturnType<Idempotency["Service"]["reserve"]>>> {
      const id = yield* random.uuidV7()
      const until = yield* sendUntil(settings)
      const rows = yield* storage(
        repeatable(reserveStatement(sql, settings, intent, id, lease)).pipe(
          Effect.flatMap(decodeReserved),
          Effect.catchIf(
            (error) => SqlError.isSqlError(error) && brokenConstraint(error) === "grant_writes_within_quota",
            () => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(quotaReached(now)))
          )
        ),
        reservedUnheard
      )
      const [row] = rows
      if (row === undefined) return yield* unknownToken(intent.token)
      const { principal, operation } = yield* judge(row)
      yield* withinRate(row, askedOf(intent, settings).counting)
      const grant = yield* policy.authorise(principal, intent.scope, intent.projectId)
      // With nothing reserved and no key in sight, it was taken after this statement's snapshot: by another call,
      // or by the first run of this very reservation, whose reply got lost. A look of its own tells which.
      const taken = row.reserved !== null ? undefined : (operation ?? (yield* operationOf(intent)))
      const mine = taken?.id === id && taken.state === "in_progress" && taken.fence === 1
      if (row.reserved !== null || mine) {
        const lease: Lease = {
          operationId: OperationId.make(id),
          fence: 1,
          upstreamKey: upstreamKey(principal.agent.id, intent.key),
          sendUntil: until
        }
        const tries = {
          firstAt: row.now,
          age: 0,
          restless: 0,
          reused: row.reused,
          resent: false,
          moved: false
        }
        return { _tag: "Reserved", principal, grant, lease, tries }
      }
      if (row.titled && intent.repetition !== undefined && taken !== undefined)
        yield* giveTitle(id, intent, taken)
      if (taken !== undefined) return { _tag: "Taken", principal, grant, operation: taken }
      if (row.restless > 0) return yield* keyResting(row.restless)
      if (row.titled || intent.repetition === undefined) return yield* keyInProgress()
      const made = yield* duplicateOf(principal.agent.id, intent.projectId, intent.repetition)
      return yield* possibleDuplicate(Option.getOrNull(made))
    })

    /** A title taken for a key that was taken meanwhile goes to the write behind that key, or back to where it was. */
    const giveTitle = (id: string, { fingerprint }: Intent, taken: Operation) =>
      storage(
        taken.fingerprint === fingerprint
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
              resent_moved = ${resentMoved(sql)},
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
      { resentMoved, sentMillisAgo, waitMillis }: DoubtFacts
    ) => {
      const sent = raisedSentUntil(sql, sentMillisAgo)
      const moved = raisedResentMoved(sql, resentMoved)
      const next = sql`greatest(
        coalesce(next_look, now() + ${lookAfter}::integer * interval '1 millisecond'),
        now() + ${Math.ceil(waitMillis)}::integer * interval '1 millisecond'
      )`
      return record(
        event,
        doubt === "unresolved"
          ? sql`
              update idempotency_keys
              set state = 'unresolved', reason = ${because}, lease_until = null, sent_until = ${sent},
                  resent_moved = ${moved}
              where ${held(sql, lease)}
              returning id`
          : sql`
              update idempotency_keys
              set state = 'unknown', reason = ${because}, lease_until = null, sent_until = ${sent},
                  resent_moved = ${moved}, look_at = ${next}, next_look = ${next}
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
)
