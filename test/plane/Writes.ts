import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Random, Schema } from "effect"
import type { Op } from "./Faults.ts"
import { Behaviour } from "./Settings.ts"
import { instant, type StoreError } from "./Store.ts"

/** Describes a write that was carried out. */
export interface Write {
  readonly op: Op
  readonly userId: string
  readonly projectId: string
  readonly issueId: string
  readonly commentId: string | null
  readonly externalId: string | null
  readonly body: unknown
  /** False if it has more commits to come, after which `complete` says so. */
  readonly whole: boolean
}

/** Names things as the reference Tasker's log does. Plane has no keys, so the external id stands for one. */
const Logged = Schema.Struct({
  n: Schema.Int,
  op: Schema.String,
  user_id: Schema.String,
  project_id: Schema.String,
  issue_id: Schema.String,
  comment_id: Schema.NullOr(Schema.String),
  external_id: Schema.NullOr(Schema.String),
  idempotency_key: Schema.NullOr(Schema.String),
  at: Schema.String,
  body: Schema.Unknown,
  whole: Schema.Boolean
})
export type Logged = typeof Logged.Type
const decodeNumbers = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ n: Schema.Int })]))
const decodeLogged = Schema.decodeUnknownEffect(Schema.Array(Logged))

/** Logs writes, and runs the job that follows each of them. */
export class Writes extends Context.Service<
  Writes,
  {
    /** Runs in the transaction of the write. Its number in the log. */
    readonly log: (write: Write) => Effect.Effect<number, StoreError>
    /** All commits of a write are done. */
    readonly complete: (n: number) => Effect.Effect<void, StoreError>
    /** Sets the card's `updated_at` some time later, unless the job is off or the broker is out. */
    readonly bump: (issueId: string) => Effect.Effect<void>
    readonly all: Effect.Effect<ReadonlyArray<Logged>, StoreError>
  }
>()("reference-plane/Writes") {
  static readonly layer = Layer.effect(
    Writes,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const behaviour = yield* Behaviour
      const scope = yield* Effect.scope

      const log: Writes["Service"]["log"] = ({
        commentId,
        externalId,
        issueId,
        op,
        projectId,
        userId,
        body,
        whole
      }) =>
        sql`
          insert into writes (op, user_id, project_id, issue_id, comment_id, external_id, body, whole)
          values (${op}, ${userId}, ${projectId}, ${issueId}, ${commentId}, ${externalId},
            ${JSON.stringify(body)}, ${whole})
          returning n`.pipe(
          Effect.flatMap(decodeNumbers),
          Effect.map(([{ n }]) => n)
        )

      const job = (issueId: string, between: readonly [number, number]) =>
        Random.nextIntBetween(...between, { halfOpen: false }).pipe(
          Effect.flatMap((after) => Effect.sleep(after)),
          Effect.andThen(sql`update issues set updated_at = clock_timestamp() where id = ${issueId}`),
          Effect.ignore
        )

      return {
        log,
        complete: (n) => Effect.asVoid(sql`update writes set whole = true where n = ${n}`),
        bump: (issueId) =>
          Effect.flatMap(behaviour.settings, ({ broker_out, bump_max_ms, bump_min_ms, bump_updated_at }) =>
            bump_updated_at && !broker_out
              ? Effect.asVoid(Effect.forkIn(job(issueId, [bump_min_ms, bump_max_ms]), scope))
              : Effect.void
          ),
        all: Effect.flatMap(
          sql`select n, op, user_id, project_id, issue_id, comment_id, external_id, external_id as idempotency_key,
            ${sql.literal(instant("at"))} as at, body, whole from writes order by n`,
          decodeLogged
        )
      }
    })
  )
}
