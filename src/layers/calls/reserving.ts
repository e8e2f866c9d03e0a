import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Option, Result, Schema } from "effect"
import type { SecureRandom } from "effect/crypto"
import { SqlError } from "effect/sql"
import type { Settings } from "../../Config.ts"
import { GatewayUnavailable } from "../../domain/Failure.ts"
import { type AgentId, IssueId, OperationId, type ProjectId } from "../../domain/Ids.ts"
import { type KeyHolder, keyInProgress, keyResting, type Lease, upstreamKey } from "../../domain/Operation.ts"
import { quotaReached } from "../../domain/Quota.ts"
import { type MadeBefore, possibleDuplicate } from "../../domain/Repetition.ts"
import type { GrantPolicy } from "../../services/GrantPolicy.ts"
import type { Idempotency, Intent, Repetition, Reservation } from "../../services/Idempotency.ts"
import { brokenConstraint, isBroken, isUndone, repeatable, storage } from "../database/storage.ts"
import { CallerRow, callerStatement, keyHolderOf } from "./callerSql.ts"
import { held, leaseMillis, sendUntil } from "./leases.ts"
import type { RateGate } from "./RateGate.ts"
import { askedOf, ReservedRow, reserveStatement } from "./reserveSql.ts"
import { judge, unknownToken, withinRate } from "./TokenStorePostgres.ts"
import { returnTitle, unused } from "./titleSql.ts"

const decodeReserved = Schema.decodeUnknownEffect(Schema.Array(ReservedRow))
const decodeCallers = Schema.decodeUnknownEffect(Schema.Array(CallerRow))
const decodeMade = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      issue_id: Schema.NullOr(IssueId),
      identifier: Schema.NullOr(Schema.String),
      url: Schema.NullOr(Schema.String)
    })
  )
)

const decodeWithdrawn = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ withdrawn: Schema.Boolean })])
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

interface Services {
  readonly policy: GrantPolicy["Service"]
  readonly gate: RateGate["Service"]
  readonly settings: Settings["Service"]
}

/** How a key is reserved, and what tells a repetition in other words. */
export const makeReserving = (
  sql: PgClient,
  random: SecureRandom.SecureRandom["Service"],
  { gate, policy, settings }: Services
) => {
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
      Effect.flatMap(reserveStatement(sql, settings, intent, id, leaseMillis(settings)), decodeReserved),
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
      const tries = { firstAt: row.now, age: 0, restless: 0, reused: row.reused, resent: false, moved: false }
      return { _tag: "Reserved", principal, grant, lease: leased, tries }
    }
    // With nothing reserved and no key in sight, another call took it after this statement's snapshot.
    const taken = seen ?? (yield* holderOf(intent))
    if (row.titled && intent.repetition !== undefined && taken !== undefined)
      yield* giveTitle(id, intent, taken)
    if (taken !== undefined) return { _tag: "Taken", principal, grant, operation: taken }
    if (row.restless > 0) return yield* certainly(Effect.fail(keyResting(row.restless)))
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
          )${unused(sql)}
          select exists (select from changed) as withdrawn`.pipe(Effect.flatMap(decodeWithdrawn)),
        reservedUnheard
      ),
      ([{ withdrawn }]) => (withdrawn ? Effect.void : Effect.fail(reservedUnheard()))
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

  return { reserve, duplicateOf }
}

const isOwn = (holder: KeyHolder | undefined, id: string): boolean =>
  holder !== undefined &&
  holder !== "used" &&
  holder.id === id &&
  holder.state === "in_progress" &&
  holder.fence === 1

const isQuotaReached = (error: unknown): boolean =>
  SqlError.isSqlError(error) && brokenConstraint(error) === "grant_writes_within_quota"

const quotaRefused = () => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(quotaReached(now)))
