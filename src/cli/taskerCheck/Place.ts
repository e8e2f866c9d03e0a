import { Array, Duration, Effect, Option, type Redacted, Result, Schema } from "effect"
import { variables } from "../../Config.ts"
import { ProjectId, UserId } from "../../domain/Ids.ts"
import { environment } from "../../layers/environment.ts"
import { UsageWrong } from "../failures.ts"

/** The Tasker that is checked, and the project in it. */
export interface Place {
  readonly url: URL
  readonly token: Redacted.Redacted<string>
  readonly workspaceSlug: string
  readonly projectId: ProjectId
  /** Undefined: the first member who can own an agent. */
  readonly owner: Owner | undefined
  readonly timeout: Duration.Duration
}

export interface Owner {
  readonly id: UserId
  readonly email: string
}

export const projectVariable = "SMOKE_PROJECT_ID"
export const slugVariable = "SMOKE_WORKSPACE_SLUG"
export const ownerVariables = { id: "SMOKE_OWNER_USER_ID", email: "SMOKE_OWNER_EMAIL" } as const

type Environment = Readonly<Record<string, string | undefined>>

const decodeProjectId = Schema.decodeUnknownOption(ProjectId)
const decodeUserId = Schema.decodeUnknownOption(UserId)

const ownerFrom = (
  id: string | undefined,
  email: string | undefined
): Result.Result<Owner | undefined, string> => {
  if (id === undefined && email === undefined) return Result.succeed(undefined)
  const both = `Set both ${ownerVariables.id} and ${ownerVariables.email}, or neither`
  if (id === undefined || email === undefined) return Result.fail(both)
  return Result.map(
    Result.fromOption(decodeUserId(id), () => `${ownerVariables.id}: expected an id of 1–128 characters`),
    (owner) => ({ id: owner, email })
  )
}

/** Reads the place from variables. Fails with every fault at once. An empty value counts as unset. */
export const placeFrom = (all: Environment): Result.Result<Place, string> => {
  const value = (name: string) => all[name]?.trim() || undefined
  const required = <A>(name: string, read: Result.Result<Option.Option<A>, string>) =>
    Result.flatMap(
      Result.mapError(read, (fault) => `${name}: ${fault}`),
      (found) => Result.fromOption(found, () => `${name} is not set`)
    )
  const { taskerTimeoutMs, taskerToken, taskerUrl } = variables
  const project = value(projectVariable)
  const read = {
    url: required(taskerUrl.name, taskerUrl.read(value(taskerUrl.name))),
    token: required(taskerToken.name, taskerToken.read(value(taskerToken.name))),
    workspaceSlug: required(slugVariable, Result.succeed(Option.fromUndefinedOr(value(slugVariable)))),
    projectId: required(
      projectVariable,
      project === undefined
        ? Result.succeed(Option.none())
        : Option.match(decodeProjectId(project), {
            onNone: () => Result.fail("expected a UUID"),
            onSome: (id) => Result.succeed(Option.some(id))
          })
    ),
    owner: ownerFrom(value(ownerVariables.id), value(ownerVariables.email)),
    timeout: Result.mapBoth(taskerTimeoutMs.read(value(taskerTimeoutMs.name)), {
      onFailure: (fault) => `${taskerTimeoutMs.name}: ${fault}`,
      onSuccess: Duration.millis
    })
  }
  const faults: ReadonlyArray<Result.Result<unknown, string>> = Object.values(read)
  return Result.mapError(Result.all(read), () => Array.getFailures(faults).join("\n"))
}

/** Reads the place from the environment and `.env`. */
export const place = Effect.try({
  try: environment,
  catch: (cause) => new UsageWrong({ message: cause instanceof Error ? cause.message : String(cause) })
}).pipe(
  Effect.flatMap((all) =>
    Effect.mapError(Effect.fromResult(placeFrom(all)), (message) => new UsageWrong({ message }))
  )
)
