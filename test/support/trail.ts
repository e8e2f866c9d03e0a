import * as PgClient from "@effect/sql-pg/PgClient"
import { assert } from "@effect/vitest"
import { Effect, Redacted, Scope, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { AuditFault } from "../../src/domain/AuditVerification.ts"
import type { SigningKey } from "../../src/domain/SigningKey.ts"
import * as AuditProofPostgres from "../../src/layers/audit/AuditProofPostgres.ts"
import * as AuditSealer from "../../src/layers/audit/AuditSealer.ts"
import { insertEvent } from "../../src/layers/audit/auditSql.ts"
import { eventOf, keptNothing, verify } from "./audit.ts"
import { freshDatabase } from "./gateway.ts"

/** A trail in PostgreSQL, to be written, sealed and verified step by step. */

/** A database of its own, and as many ways to it as a test wants: each an instance's. */
export const withTrail = <A, E>(
  run: (trail: {
    readonly url: string
    readonly sql: PgClient.PgClient
    readonly connect: Effect.Effect<PgClient.PgClient>
    /** A sealer of an instance's own. */
    readonly sealer: (key: SigningKey) => Effect.Effect<Effect.Effect<number>>
  }) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const scope = yield* Effect.scope
      const connect = PgClient.make({ url: Redacted.make(url), maxConnections: 8 }).pipe(
        Effect.provideService(Reactivity.Reactivity, yield* Reactivity.make),
        Effect.provideService(Scope.Scope, scope),
        Effect.orDie
      )
      const sealer = (key: SigningKey) =>
        Effect.map(connect, (sql) => Effect.orDie(AuditSealer.makeSealer(sql, key).batch))
      return yield* run({ url, sql: yield* connect, connect, sealer })
    })
  )

export const anEvent = (action = "agent.created"): AuditEvent =>
  eventOf({
    action,
    at: new Date().toISOString(),
    owner_user_id: 'Ольга 👩‍💻 "\\' as AuditEvent["owner_user_id"]
  })

export const write = (sql: PgClient.PgClient, event = anEvent()) =>
  Effect.orDie(insertEvent(sql, event, sql`from (select 1) as always`))

export const exported = (sql: PgClient.PgClient) =>
  AuditProofPostgres.make(sql)
    .export({ from: undefined, to: undefined })
    .pipe(
      Effect.flatMap(Stream.runCollect),
      Effect.map((pieces) => [...pieces].join("")),
      Effect.orDie
    )

export const verified = (sql: PgClient.PgClient, ...keys: ReadonlyArray<SigningKey>) =>
  Effect.map(exported(sql), (text) => {
    const said = verify(text, { ...keptNothing, keys: keys.map(({ verifying }) => verifying) })
    if (said instanceof AuditFault) assert.fail(said.message)
    return said
  })

export const sealedActions = (sql: PgClient.PgClient) =>
  Effect.map(
    Effect.orDie(
      sql<{ action: string }>`
        select e.action from audit_seals s join audit_events e using (position) order by s.sequence`
    ),
    (rows) => rows.map(({ action }) => action)
  )

export const horizonOf = (sql: PgClient.PgClient) =>
  Effect.map(
    Effect.orDie(
      sql<{ horizon: number }>`
        select horizon::float8 as horizon from audit_checkpoints order by sequence desc limit 1`
    ),
    ([row]) => row?.horizon
  )
