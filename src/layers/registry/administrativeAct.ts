import { createHash } from "node:crypto"
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Effect, Schema } from "effect"
import { type AuditEntry, auditEntry } from "../../domain/AuditEvent.ts"
import { canonicalJson } from "../../domain/CanonicalJson.ts"
import { type GatewayUnavailable, IdempotencyRefused, type InputInvalid } from "../../domain/Failure.ts"
import type { ProjectId } from "../../domain/Ids.ts"
import { invalidInput } from "../../domain/inputs.ts"
import type { Agent, TokenInfo } from "../../domain/Principal.ts"
import type { Act } from "../../services/AgentRegistry.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import { transaction as asTransaction, tellingLost } from "../database/transaction.ts"

/** For how long a lifecycle key is remembered. */
export const keyLifetime = "1 day"

/** What an act was asked to do, as a digest: tells a repeat from another request, and goes into the trail. */
export const digestOf = (body: unknown): Buffer => createHash("sha256").update(canonicalJson(body)).digest()

export type Acting = ReturnType<typeof makeActing>

/**
 * An administrative act: what it changes, its audit event and its idempotency key, in one
 * transaction.
 */
export const makeActing = (sql: PgClient, audit: AuditLog["Service"]) => {
  /** Runs all of an act as one transaction; whatever fails in it undoes it. */
  const transaction = <A, E>(effect: Effect.Effect<A, E>) =>
    asTransaction(sql, effect).pipe(
      tellingLost(
        "Look whether it was, or repeat the same request with the same Idempotency-Key if it had one."
      )
    )

  /** Puts an act into the trail, in the transaction of whoever calls. */
  const executed = (
    act: Act,
    action: string,
    agent: Agent,
    about: {
      readonly body?: unknown
      readonly projectId?: ProjectId
      readonly token?: TokenInfo
      readonly reason?: string | null
    } = {}
  ): Effect.Effect<void, GatewayUnavailable> =>
    audit.record(
      actEntry(act, agent, {
        action,
        outcome: "executed",
        reason: about.reason ?? null,
        token: about.token,
        project_id: about.projectId ?? null,
        arguments_sha256: about.body === undefined ? null : digestOf(about.body).toString("hex")
      })
    )

  /**
   * Makes something once under the act's key, if it has one. Of two that come at the same time with
   * one key, the second waits at the key's row until the first has committed, and finds it then.
   */
  const once = <A, E1, E2>(
    act: Act,
    body: unknown,
    candidate: string,
    make: Effect.Effect<{ readonly id: string; readonly value: A }, E1>,
    again: (id: string) => Effect.Effect<A, E2>
  ) =>
    Effect.gen(function* () {
      const { key } = act
      if (key === undefined) return (yield* make).value
      const fingerprint = digestOf(body)
      const taken = yield* sql`
        insert into lifecycle_keys (path, key, fingerprint, resource_id)
        values (${key.path}, ${key.value}, ${fingerprint}, ${candidate}::uuid)
        on conflict (path, key) do update
          set fingerprint = excluded.fingerprint, resource_id = excluded.resource_id, created_at = now()
          where lifecycle_keys.created_at < now() - ${keyLifetime}::interval
        returning resource_id`
      if (taken.length > 0) {
        const made = yield* make
        if (made.id !== candidate) {
          yield* sql`
            update lifecycle_keys set resource_id = ${made.id}::uuid
            where path = ${key.path} and key = ${key.value}`
        }
        return made.value
      }
      const [standing] = yield* Effect.flatMap(
        sql`
          select resource_id::text as id, fingerprint = ${fingerprint} as same
          from lifecycle_keys where path = ${key.path} and key = ${key.value}`,
        decodeStanding
      )
      if (standing === undefined) return yield* Effect.die(new Error("A lifecycle key that stood is gone"))
      if (!standing.same) return yield* keyReused()
      return yield* again(standing.id)
    })

  return { transaction, executed, once }
}

const decodeStanding = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ id: Schema.String, same: Schema.Boolean }))
)

/** What the trail says of an act on an agent, whatever came of it. */
export const actEntry = (
  act: Act,
  agent: Agent,
  known: Omit<Parameters<typeof auditEntry>[0], "agent" | "idempotency_key" | "request_id" | "via">
): AuditEntry =>
  auditEntry({
    ...known,
    agent,
    idempotency_key: act.key?.value ?? null,
    request_id: act.requestId,
    via: "admin"
  })

const keyReused = (): IdempotencyRefused =>
  new IdempotencyRefused({
    reason: "key_reused",
    message:
      "This Idempotency-Key stands for another request on this path. Nothing was changed. Send a new key for a new request, and the same body with the same key."
  })

/** Refuses an end that is past already. Only asked the first time: a repeat is answered as it was. */
export const inFuture = (expiresAt: string | null): Effect.Effect<void, InputInvalid> =>
  expiresAt === null
    ? Effect.void
    : Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Date.parse(expiresAt) > now
          ? Effect.void
          : Effect.fail(invalidInput("expires_at", "Expected an instant in the future."))
      )
