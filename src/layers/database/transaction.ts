import type { PgClient } from "@effect/sql-pg/PgClient"
import { Data, Effect, Exit, Option } from "effect"
import { type GatewayUnavailable, gatewayUnavailable, mayHaveBeenDone } from "../../domain/Failure.ts"
import { isUndone, type Own, patience, storage, translated } from "./storage.ts"

/**
 * The reply to COMMIT was lost, so the transaction may have been committed. Of the failures of a transaction it is
 * the only ambiguous one: `GatewayUnavailable` says that nothing was changed. No service fails with it, so that
 * whoever runs a transaction has to say what its caller is to do.
 */
export class CommitLost extends Data.TaggedError("CommitLost") {}

/**
 * Runs an effect as one transaction; whatever fails in it undoes it. Within another transaction it is a part of that
 * one, which alone is committed.
 */
export const transaction = <A, E>(
  sql: PgClient,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, Own<E> | GatewayUnavailable | CommitLost> =>
  Effect.flatMap(Effect.serviceOption(sql.transactionService), (outer) =>
    Option.isSome(outer) ? storage(sql.withTransaction(effect)) : outermost(sql, effect)
  )

/** Tells a lost COMMIT as something that may have been done. `next` says how the caller finds out. */
export const tellingLost =
  (next: string) =>
  <A, E, R>(
    transaction: Effect.Effect<A, E, R>
  ): Effect.Effect<A, Exclude<E, CommitLost> | GatewayUnavailable, R> =>
    Effect.catch(
      transaction,
      (failure): Effect.Effect<never, Exclude<E, CommitLost> | GatewayUnavailable> =>
        Effect.fail(
          failure instanceof CommitLost ? mayHaveBeenDone(next) : (failure as Exclude<E, CommitLost>)
        )
    )

const outermost = <A, E>(sql: PgClient, effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    let ended: Exit.Exit<A, E> | undefined
    let isGivenUp = false
    const isCommitting = () => ended !== undefined && Exit.isSuccess(ended)
    const within = Effect.flatMap(Effect.exit(effect), (exit): Effect.Effect<A, E> => {
      // The caller was told already that nothing was changed: it is not to be committed now.
      if (isGivenUp) return Effect.interrupt
      ended = exit
      return exit
    })
    return sql.withTransaction(within).pipe(
      // What failed within says more than that undoing it failed too, and nothing was changed either way.
      Effect.catchCause((cause) =>
        Effect.failCause(ended !== undefined && Exit.isFailure(ended) ? ended.cause : cause)
      ),
      translated((outage) => (isCommitting() && !isUndone(outage) ? new CommitLost() : gatewayUnavailable())),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => {
          isGivenUp = true
          return Effect.andThen(
            Effect.logError(`The database did not answer within ${patience}`),
            Effect.fail(isCommitting() ? new CommitLost() : gatewayUnavailable())
          )
        }
      })
    )
  })
