import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Random } from "effect"

const soonest = 20
const latest = 500

/** The job that follows a write, in the background. */
export class Worker extends Context.Service<
  Worker,
  {
    /** Sets the card's `updated_at` 20–500 ms later. Ends with the server. */
    readonly bump: (issueId: string) => Effect.Effect<void>
    /** How many jobs have not run yet. */
    readonly waiting: Effect.Effect<number>
  }
>()("reference-tasker/Worker") {
  static readonly layer = Layer.effect(
    Worker,
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const scope = yield* Effect.scope
      let waiting = 0

      const job = (issueId: string) =>
        Random.nextIntBetween(soonest, latest, { halfOpen: false }).pipe(
          Effect.flatMap((after) => Effect.sleep(after)),
          Effect.andThen(sql`
            update issues set updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
            where id = ${issueId}`),
          Effect.catch((failure) => Effect.logError("A background job failed", failure)),
          Effect.ensuring(
            Effect.sync(() => {
              waiting -= 1
            })
          )
        )

      return {
        bump: (issueId) =>
          Effect.suspend(() => {
            waiting += 1
            return Effect.asVoid(Effect.forkIn(job(issueId), scope))
          }),
        waiting: Effect.sync(() => waiting)
      }
    })
  )
}
