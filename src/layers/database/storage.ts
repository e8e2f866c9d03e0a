import { Cause, Effect, Predicate, Schema } from "effect"
import { SqlError } from "effect/sql"
import { type GatewayUnavailable, gatewayUnavailable } from "../../domain/Failure.ts"

/**
 * SQLSTATE classes that say that the database is not there just now, rather than that a statement
 * was wrong: 53 insufficient resources (too many connections, disk full), 57P0x shutdown, crash and
 * start-up, 58 system errors, 25006 a standby that was just promoted elsewhere (PostgreSQL, Appendix A).
 */
const outOfService = /^(53|57P0|58|25006)/

const codeOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : ""

/** Whether a statement failed because the database is not there, rather than because it was wrong. */
export const isOutage = (error: SqlError.SqlError): boolean => {
  switch (error.reason._tag) {
    case "ConnectionError":
    case "AuthenticationError":
    case "DeadlockError":
    case "SerializationError":
    case "LockTimeoutError":
    case "StatementTimeoutError":
      return true
    case "UnknownError":
      return codeOf(error.reason.cause) === "" || outOfService.test(codeOf(error.reason.cause))
    default:
      return false
  }
}

/** The constraint that a statement broke, where it broke one. */
export const brokenConstraint = (error: SqlError.SqlError): string | undefined => {
  const cause = error.reason.cause
  return Predicate.hasProperty(cause, "constraint") && Predicate.isString(cause.constraint)
    ? cause.constraint
    : undefined
}

/**
 * The longest that a caller waits for a connection and its statement, which the driver has no timeout
 * of its own for. It takes up to five seconds more to give a statement up that was sent and not answered.
 */
export const patience = "3 seconds"

/**
 * Whether a statement that failed was certainly not carried out: no connection could be made for it, or the
 * server said why it failed. One that the server was cut off in, or that nobody answered, may have been.
 */
export const isUndone = (error: SqlError.SqlError): boolean => {
  const code = codeOf(error.reason.cause)
  return /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/.test(code) || /^(?!57P0[12]|08)[0-9A-Z]{5}$/.test(code)
}

/** Everything that failed, died included: a rollback over a broken connection is a defect to the driver. */
const errorsIn = <E>(cause: Cause.Cause<E>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) ? [reason.error] : Cause.isDieReason(reason) ? [reason.defect] : []
  )

const isOfStorage = (error: unknown): error is SqlError.SqlError | Schema.SchemaError =>
  SqlError.isSqlError(error) || Schema.isSchemaError(error)

/** What is left of an effect's failures when those of the database are translated. */
export type Own<E> = Exclude<E, SqlError.SqlError | Schema.SchemaError>

/**
 * Turns a database that is out into what `whenOut` says, also in the log, and every other failure of a statement
 * (bad SQL, a broken constraint, a row that does not decode) into a defect. Failures of its own stay.
 */
export const translated =
  <F>(whenOut: (outage: SqlError.SqlError) => F) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Own<E> | F, R> =>
    Effect.catchCause(effect, (cause): Effect.Effect<never, Own<E> | F> => {
      const own = cause.reasons.find((reason) => Cause.isFailReason(reason) && !isOfStorage(reason.error))
      if (own !== undefined && Cause.isFailReason(own)) {
        return Effect.fail(own.error as Own<E>)
      }
      const errors = errorsIn(cause)
      const outage = errors.filter(SqlError.isSqlError).find(isOutage)
      if (outage !== undefined) {
        return Effect.andThen(
          Effect.logError("The database is out", outage.reason),
          Effect.fail(whenOut(outage))
        )
      }
      const [first] = errors
      return first === undefined ? Effect.failCause(cause as Cause.Cause<never>) : Effect.die(first)
    })

/** Runs a statement and tells a database that is out as `GatewayUnavailable`. */
export const storage = <A, E, R>(
  statement: Effect.Effect<A, E | SqlError.SqlError | Schema.SchemaError, R>,
  /** What a caller is told of a statement that may have been carried out all the same. */
  unheard: () => GatewayUnavailable = gatewayUnavailable
): Effect.Effect<A, Own<E> | GatewayUnavailable, R> =>
  statement.pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () =>
        Effect.logError(`The database did not answer within ${patience}`).pipe(
          Effect.andThen(Effect.fail(unheard()))
        )
    }),
    translated((outage) => (isUndone(outage) ? gatewayUnavailable() : unheard()))
  )

/**
 * Turns a statement's defect into its failure. A transaction whose connection is lost dies, since it can't be
 * rolled back; the database has done that by itself.
 */
const failing = <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.catchDefect(
    statement,
    (defect): Effect.Effect<never, SqlError.SqlError> =>
      SqlError.isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
  )

/**
 * Runs a statement or transaction once more where its connection broke: the first one after a backend died can fail
 * so. Only for statements that may be carried out twice, since the first may have been committed.
 */
export const repeatable = <A, E, R>(
  statement: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.retry(failing(statement), {
    times: 1,
    while: isBroken
  })

/** True if a statement failed because its connection broke. */
export const isBroken = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && error.reason._tag === "ConnectionError"
