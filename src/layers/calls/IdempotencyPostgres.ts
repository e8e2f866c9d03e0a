import { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Fragment } from "effect/sql/Statement"
import { Settings } from "../../Config.ts"
import type { AuditEvent } from "../../domain/AuditEvent.ts"
import { type Change, ChangedFields } from "../../domain/Change.ts"
import { GatewayUnavailable } from "../../domain/Failure.ts"
import type { AgentId, IssueId } from "../../domain/Ids.ts"
import { type Answer, type Lease, type Operation, upstreamKey } from "../../domain/Operation.ts"
import { firstLook } from "../../domain/Recovery.ts"
import { Write } from "../../domain/Write.ts"
import { GrantPolicy } from "../../services/GrantPolicy.ts"
import { type Doubt, type DoubtFacts, type Execution, Idempotency } from "../../services/Idempotency.ts"
import { insertEvent } from "../audit/auditSql.ts"
import { insertChange } from "../audit/changeSql.ts"
import { repeatable, storage } from "../database/storage.ts"
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
import { RateGate } from "./RateGate.ts"
import { makeReserving } from "./reserving.ts"
import { unused } from "./titleSql.ts"

/**
 * Keeps the promise of `services/Idempotency.ts` with one statement a step, each a transaction of its
 * own. Every statement may be carried out twice without harm, so each is repeated once where its
 * connection broke: reserving finds its own row, an outcome finds itself recorded.
 *
 * Every write waits for these methods, which therefore have no spans of their own: the statements have
 * theirs.
 */

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
/** The claim may stand: then recovery goes on with the write when its lease has ended. */
const claimUnheard = () =>
  new GatewayUnavailable({
    reason: "unavailable",
    message:
      "The gateway's database failed while this write was being taken up again. This call sent nothing to Tasker, but the write is still open: repeat the same call with the same idempotency_key, which settles it and never does it twice.",
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

    const { duplicateOf, reserve } = makeReserving(sql, random, { policy, gate, settings })

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
        ),
        claimUnheard
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
        unused(sql)
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
        unused(sql)
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
).pipe(Layer.provide(RateGate.layer))
