import type * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { Settings } from "../../src/Config.ts"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { AuditFault } from "../../src/domain/AuditVerification.ts"
import * as AuditProofPostgres from "../../src/layers/audit/AuditProofPostgres.ts"
import * as AuditSealer from "../../src/layers/audit/AuditSealer.ts"
import * as Database from "../../src/layers/database/Database.ts"
import { newKey, verify } from "../support/audit.ts"
import { onDatabase } from "../support/database.ts"
import { restricted, signingKey } from "../support/gateway.ts"
import { anEvent, exported, verified, withTrail, write } from "../support/trail.ts"

/** Whatever the role of calls inserts into the trail, what others wrote is sealed and can be verified. */

const makeReady = (owner: string) =>
  Effect.scoped(
    Layer.build(
      Layer.fresh(Database.layer).pipe(
        Layer.provide(Settings.layer({ DATABASE_URL: restricted(owner), MIGRATION_DATABASE_URL: owner })),
        Layer.provide(Logger.layer([]))
      )
    )
  )

const codeOf = (error: unknown): string => {
  const cause = (error as SqlError).reason?.cause
  return Predicate.hasProperty(cause, "code") ? String(cause.code) : String(error)
}

/** What is logged while something runs. */
const saying = <A, E, R>(run: Effect.Effect<A, E, R>) => {
  const said: Array<string> = []
  const keep = Logger.make(({ message }) => {
    said.push([message].flat().map(String).join(" "))
  })
  return Effect.map(Effect.provide(run, Logger.layer([keep])), (value) => [value, said] as const)
}

/** Takes the checks of the events away, as rows of before migration 19 were under none. */
const withoutBounds = (sql: PgClient.PgClient) => sql`
  alter table audit_events drop constraint audit_event_has_bounds,
    drop constraint audit_event_client_has_bounds`

/** Inserts an event whose columns are as they are said to be. */
const insert = (sql: PgClient.PgClient, columns: Readonly<Record<string, Fragment>>) => {
  const all = {
    id: sql`gen_random_uuid()`,
    at: sql`now()`,
    action: sql`'agent.created'`,
    outcome: sql`'executed'`,
    request_id: sql`'r'`,
    via: sql`'admin'`,
    ...columns
  }
  return sql`
    insert into audit_events (${sql.csv(Object.keys(all).map((name) => sql`${sql(name)}`))})
    values (${sql.csv(Object.values(all))})`
}

it.live("an event that is inserted with a wrong hash is sealed as altered, and the others verify", () =>
  withTrail(({ connect, sql, url }) =>
    Effect.gen(function* () {
      yield* makeReady(url)
      const key = newKey()
      const { batch } = AuditSealer.makeSealer(yield* connect, key)
      yield* write(sql)
      yield* onDatabase(restricted(url), (calls) => insert(calls, { hash: calls`sha256('other')` }))
      yield* write(sql)
      const [sealed, said] = yield* saying(batch)
      assert.strictEqual(sealed, 3)
      const found = yield* verified(sql, key)
      assert.deepStrictEqual([found.last, found.altered, found.oversize], [3, [2], []])
      assert.isTrue(said.some((line) => /^Sealed 1 audit events that were altered.*position 2 /.test(line)))
      yield* sql`alter table audit_events disable trigger all`
      yield* sql`update audit_events set outcome = 'failed' where position = 2`
      const changed = verify(yield* exported(sql), { keys: [key.verifying] })
      assert.match(
        changed instanceof AuditFault ? changed.message : "",
        /^sequence 2: this event was changed/
      )
    })
  )
)

it.live("an event that no line can hold is sealed by its digest, and the others verify", () =>
  withTrail(({ connect, sql }) =>
    Effect.gen(function* () {
      const key = newKey()
      const { batch } = AuditSealer.makeSealer(yield* connect, key)
      yield* withoutBounds(sql)
      yield* write(sql)
      yield* insert(sql, { request_id: sql`repeat('r', 3 * 1024 * 1024)` })
      // JavaScript has no such number, so that its canonical form is none.
      yield* insert(sql, { client: sql`'{"turn_id": 1e400}'::jsonb` })
      yield* insert(sql, { client: sql`jsonb_build_object('turn_id', repeat(chr(1), 1000000))` })
      yield* write(sql)
      const [sealed, said] = yield* saying(batch)
      assert.strictEqual(sealed, 5)
      assert.isTrue(said.some((line) => /^Sealed 3 audit events that are too large.*position 2 /.test(line)))
      const found = yield* verified(sql, key)
      assert.deepStrictEqual([found.last, found.altered, found.oversize], [5, [], [2, 3, 4]])
      const line = (yield* exported(sql)).split("\n").find((text) => text.includes('"position":2'))
      assert.deepStrictEqual(Object.keys(JSON.parse(line ?? "{}")).sort(), [
        "hash",
        "link",
        "oversize",
        "position",
        "sequence",
        "type"
      ])
      // Its digest is of all of its columns.
      yield* sql`alter table audit_events disable trigger all`
      yield* sql`update audit_events set reason = 'other' where position = 2`
      const changed = verify(yield* exported(sql), { keys: [key.verifying] })
      assert.match(changed instanceof AuditFault ? changed.message : "", /^sequence 2: the chain breaks here/)
    })
  )
)

it.live("an event beyond the bounds of its texts, its claims or its time is not inserted", () =>
  withTrail(({ sql }) =>
    Effect.gen(function* () {
      const long = sql`repeat('x', 129)`
      const beyond: Readonly<Record<string, Readonly<Record<string, Fragment>>>> = {
        reason: { reason: long },
        owner: { owner_user_id: long },
        "no owner's id": { owner_user_id: sql`''` },
        "an owner's id that is no line": { owner_user_id: sql`chr(133)` },
        key: { idempotency_key: long },
        request: { request_id: long },
        action: { action: long },
        claims: { client: sql`jsonb_build_object('turn_id', repeat('x', 8192))` },
        "a number among the claims": { client: sql`'{"turn_id": 1e400}'::jsonb` },
        "a list among the claims": { client: sql`'{"turn_id": []}'::jsonb` },
        "no time": { at: sql`'infinity'::timestamptz` },
        "no time at all": { at: sql`'-infinity'::timestamptz` },
        "a time of ten thousand years": { at: sql`'10000-01-01 00:00:00+00'::timestamptz` }
      }
      for (const [what, columns] of Object.entries(beyond)) {
        const code = yield* Effect.flip(Effect.asVoid(insert(sql, columns))).pipe(
          Effect.catch(() => Effect.succeed(`The database let it through: ${what}`)),
          Effect.map((error) => (typeof error === "string" ? error : codeOf(error)))
        )
        assert.strictEqual(code, "23514", what)
      }
      // The longest that the gateway itself may write.
      const longest = "👩".repeat(128)
      const claim = "語".repeat(128)
      yield* write(sql, {
        ...anEvent("a".repeat(128)),
        reason: "r".repeat(128),
        owner_user_id: longest as AuditEvent["owner_user_id"],
        idempotency_key: "k".repeat(128),
        request_id: "q".repeat(64),
        client: {
          session_id: claim,
          thread_id: claim,
          turn_id: claim,
          call_id: claim,
          item_id: claim,
          model: claim,
          codex_version: claim
        }
      })
    })
  )
)

it.live("how long events have waited is a number, whatever time an event says", () =>
  withTrail(({ sql }) =>
    Effect.gen(function* () {
      yield* withoutBounds(sql)
      for (const at of ["-infinity", "infinity"]) yield* insert(sql, { at: sql`${at}::timestamptz` })
      const proof = AuditProofPostgres.make(sql)
      assert.deepStrictEqual(yield* proof.unsealed, { events: 2, oldestSeconds: 0 })
      yield* insert(sql, { at: sql`now() - interval '1 minute'` })
      assert.isAtLeast((yield* proof.unsealed).oldestSeconds, 60)
      assert.isBelow((yield* proof.unsealed).oldestSeconds, 3600)
    })
  )
)

it.live("a gateway whose role may not seal says so, and leaves the events to others", () =>
  withTrail(({ sql, url }) =>
    Effect.gen(function* () {
      yield* makeReady(url)
      yield* write(sql)
      const [, said] = yield* saying(
        Effect.scoped(
          Layer.build(
            AuditSealer.layer.pipe(
              Layer.provide(Database.asSealer),
              Layer.provide(Layer.fresh(Database.layer)),
              Layer.provide(
                Settings.layer({ DATABASE_URL: restricted(url), AUDIT_SIGNING_KEY: signingKey() })
              )
            )
          )
        )
      )
      assert.isTrue(
        said.some((line) => line.includes("Set SEALER_DATABASE_URL")),
        said.join("\n")
      )
      assert.strictEqual((yield* AuditProofPostgres.make(sql).unsealed).events, 1)
    })
  )
)
