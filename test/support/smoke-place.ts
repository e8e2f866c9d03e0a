import * as PgClient from "@effect/sql-pg/PgClient"
import { Duration, Effect, Redacted, Schema } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { UsageWrong } from "../../src/cli/failures.ts"
import { findOwner } from "../../src/cli/taskerCheck/owner.ts"
import {
  type Owner,
  ownerVariables,
  type Place,
  placeFrom,
  projectVariable
} from "../../src/cli/taskerCheck/Place.ts"
import * as ProbeModule from "../../src/cli/taskerCheck/Probe.ts"
import { Probe, told } from "../../src/cli/taskerCheck/Probe.ts"

/** The real Tasker that the environment names for the smokes, and in whose name they act there. */

type Environment = Readonly<Record<string, string | undefined>>

/** The project alone says that a real Tasker is meant: the other variables are a gateway's own. */
export const isNamed = (all: Environment): boolean => (all[projectVariable] ?? "") !== ""

/** The place and the owner, who is taken from the project's members if no variable names one. */
export const namedPlace = Effect.fnUntraced(function* (all: Environment) {
  const place: Place = yield* Effect.mapError(
    Effect.fromResult(placeFrom(all)),
    (message) => new UsageWrong({ message })
  )
  const probe = yield* ProbeModule.make(place, "smoke", () => Effect.void)
  const { context, owner, sent } = yield* Effect.provideService(findOwner(place), Probe, probe)
  if (context === undefined) {
    return yield* new UsageWrong({
      message: `The project's members could not be read: ${told(sent.outcome)}. Look closer: npm run tasker:check`
    })
  }
  return { place, owner }
}, Effect.scoped)

export const ownerAsVariables = ({ email, id }: Owner): Readonly<Record<string, string>> => ({
  [ownerVariables.id]: id,
  [ownerVariables.email]: email
})

class DatabaseOut extends Schema.TaggedError<DatabaseOut>()("DatabaseOut", { message: Schema.String }) {}

const longest = Duration.seconds(5)

/** Fails with one line if the PostgreSQL of `DATABASE_URL` can't be used. Never names its password. */
export const reachDatabase = (url: string) => {
  const { host, pathname } = URL.canParse(url) ? new URL(url) : { host: "", pathname: "" }
  const place = host === "" ? "DATABASE_URL" : `The PostgreSQL of DATABASE_URL, ${host}${pathname},`
  const failed = (because: string) =>
    new DatabaseOut({
      message: `${place} can't be used: ${because}. Start it, correct DATABASE_URL, or leave it unset for one of the smoke's own.`
    })
  return PgClient.makeClient({ url: Redacted.make(url) }).pipe(
    Effect.flatMap((sql) => sql`select 1`),
    Effect.timeoutOrElse({
      duration: longest,
      orElse: () => Effect.fail(failed(`no answer in ${Duration.format(longest)}`))
    }),
    Effect.mapError((error) => (error._tag === "DatabaseOut" ? error : failed(causeOf(error)))),
    Effect.scoped,
    Effect.provide(Reactivity.layer)
  )
}

/** The innermost message of an error, in one line. */
const causeOf = (error: unknown): string => {
  let innermost = error
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause
  if (!(innermost instanceof Error)) return "unknown"
  const { code = "", message } = innermost as NodeJS.ErrnoException
  return (message || code).replace(/\s+/g, " ").trim()
}
