import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Answer } from "./Answer.ts"
import type { Op } from "./Calls.ts"
import { noSuchProject, ownerNotMember, type Refusal } from "./Refusal.ts"
import { Worker } from "./Worker.ts"

/** What can go wrong with a statement: refused by a rule, or PostgreSQL, or rows that are not what they should be. */
export type StoreError = Refusal | SqlError | Schema.SchemaError

/** A write as it was asked for. */
export interface Write {
  readonly op: Op
  readonly projectId: string
  readonly ownerId: string
  readonly agentId: string
  readonly key: string
  readonly dedupeKey: boolean
  /** Writes with one turn are carried out one after the other. */
  readonly turn: string | null
  /** The background job runs after it. */
  readonly bumps: boolean
  readonly body: unknown
}

/** What came of it. */
export interface Done {
  readonly answer: Answer
  readonly issueId: string
  readonly commentId: string | null
}

const Opened = Schema.Tuple([Schema.Struct({ seat: Schema.Boolean, reserved: Schema.Boolean })])
const Stored = Schema.Tuple([Schema.Struct({ status: Schema.Int, body: Schema.String })])
const Logged = Schema.Struct({
  n: Schema.Int,
  idempotency_key: Schema.String,
  agent_id: Schema.String,
  op: Schema.String,
  issue_id: Schema.NullOr(Schema.String),
  comment_id: Schema.NullOr(Schema.String),
  project_id: Schema.String,
  at: Schema.String,
  body: Schema.Unknown
})
export type Logged = typeof Logged.Type

const decodeOpened = Schema.decodeUnknownEffect(Opened)
const decodeStored = Schema.decodeUnknownEffect(Stored)
const decodeLogged = Schema.decodeUnknownEffect(Schema.Array(Logged))

/** Microseconds, in UTC: `2026-11-24T10:11:12.123456Z`. */
export const iso = (column: string) =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/**
 * Carries out a write at most once a key, in one transaction with its answer and its entry in the log.
 *
 * The row of a key is inserted first: a second call with the same key waits at the primary key until the
 * first has committed, and then reads its answer. A write that is refused rolls its row back, so the key
 * stays free.
 *
 * Plane only looks whether an `external_id` is there. Two calls with one `external_id` can take turns, so
 * that the look is right under a race.
 */
export class Once extends Context.Service<
  Once,
  {
    readonly run: <E>(
      write: Write,
      execute: Effect.Effect<Done, E | StoreError>
    ) => Effect.Effect<Answer, E | StoreError>
    /** Every write that was carried out, in order. */
    readonly writes: Effect.Effect<ReadonlyArray<Logged>, StoreError>
  }
>()("reference-tasker/Once") {
  static readonly layer = Layer.effect(
    Once,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const worker = yield* Worker

      const open = (write: Write) => sql`
        with project as (
          select id, exists (
            select from members where project_id = projects.id and id = ${write.ownerId} and active
          ) as seat
          from projects where id = ${write.projectId}
        ), reserved as (
          insert into answers (idempotency_key)
          select ${write.key} from project where seat and ${write.dedupeKey}
          on conflict do nothing
          returning idempotency_key
        )
        select seat, exists (select from reserved) as reserved,
          pg_advisory_xact_lock(hashtextextended(${write.turn}, 0)) is null as locked
        from project`

      const firstAnswer = (key: string) =>
        sql`select status, body from answers where idempotency_key = ${key}`

      const close = (write: Write, done: Done) => sql`
        with logged as (
          insert into writes (idempotency_key, agent_id, op, project_id, issue_id, comment_id, body)
          values (${write.key}, ${write.agentId}, ${write.op}, ${write.projectId}, ${done.issueId},
            ${done.commentId}, ${JSON.stringify(write.body)})
        )
        update answers set status = ${done.answer.status}, body = ${done.answer.body}
        where idempotency_key = ${write.key} and body is null`

      const carryOut = <E>(write: Write, execute: Effect.Effect<Done, E | StoreError>) =>
        sql.withTransaction(
          Effect.gen(function* () {
            const rows = yield* open(write)
            if (rows.length === 0) return yield* noSuchProject
            const [{ seat, reserved }] = yield* decodeOpened(rows)
            if (!seat) return yield* ownerNotMember
            if (write.dedupeKey && !reserved) {
              const [first] = yield* Effect.flatMap(firstAnswer(write.key), decodeStored)
              return { answer: first, bumped: undefined }
            }
            const done = yield* execute
            yield* close(write, done)
            return { answer: done.answer, bumped: write.bumps ? done.issueId : undefined }
          })
        )

      const run = <E>(write: Write, execute: Effect.Effect<Done, E | StoreError>) =>
        Effect.gen(function* () {
          const { answer, bumped } = yield* carryOut(write, execute)
          if (bumped !== undefined) yield* worker.bump(bumped)
          return answer
        })

      const writes = Effect.flatMap(
        sql`select n, idempotency_key, agent_id, op, issue_id, comment_id, project_id,
          ${sql.literal(iso("at"))} as at, body from writes order by n`,
        decodeLogged
      )

      return { run, writes }
    })
  )
}
