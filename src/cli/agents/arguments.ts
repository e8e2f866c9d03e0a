import { Clock, Duration, Effect, Option, Schema } from "effect"
import { Argument, CliError, Flag } from "effect/cli"
import { AgentId } from "../../domain/Ids.ts"
import { isInstant } from "../../domain/inputs.ts"
import { Agent } from "../../domain/Principal.ts"
import { allScopes, Scope } from "../../domain/Scope.ts"
import { CommandFailed } from "../failures.ts"
import { Gateway } from "../Gateway.ts"
import { plain } from "../output.ts"
import { command } from "../refusal.ts"

/** Arguments and flags that several commands take, and what they stand for. */

export const agentArgument = Argument.String("agent").pipe(
  Argument.withDescription("Its id, or its display name if no other agent has it")
)

export const AgentPage = Schema.Struct({
  agents: Schema.Array(Agent),
  next_cursor: Schema.NullOr(Schema.String)
})

const asAgentId = Schema.decodeUnknownOption(AgentId)

/** Finds the agent of an id or a display name. An id is not looked up: the call that it is for tells. */
export const agentIdOf = Effect.fn("agentIdOf")(function* (named: string) {
  const id = asAgentId(named)
  if (Option.isSome(id)) return id.value
  const found = yield* agentsNamed(named)
  const [only, ...others] = found
  if (only === undefined) {
    return yield* new CommandFailed({
      message: `No agent has the id or the display name ${JSON.stringify(plain(named))}.\nList them: ${command} list`
    })
  }
  if (others.length > 0) {
    return yield* new CommandFailed({
      message: `${found.length} agents have the display name ${JSON.stringify(plain(named))}. Name one by its id:\n${found.map(choice).join("\n")}`
    })
  }
  return only.id
})

const choice = ({ id, owner_email, status }: Agent): string => `  ${id}  ${plain(owner_email)}  ${status}`

const agentsNamed = Effect.fnUntraced(function* (name: string) {
  const { call } = yield* Gateway
  const found: Array<Agent> = []
  let cursor: string | null = null
  do {
    const path: string = `/api/v1/agents?limit=100${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`
    const { value } = yield* call(AgentPage, "GET", path)
    found.push(...value.agents.filter(({ display_name }) => display_name === name))
    cursor = value.next_cursor
  } while (cursor !== null)
  return found
})

/** Names for sets of scopes, beside the scopes themselves. */
const presets: ReadonlyMap<string, ReadonlyArray<Scope>> = new Map([
  ["read", ["project:read", "issue:read"]],
  ["write", allScopes]
])

const isScope = Schema.is(Scope)

export const scopesFlag = Flag.String("scopes").pipe(
  Flag.withDescription(
    "read (project:read, issue:read), write (all), or scopes, comma-separated: issue:read,comment:create"
  ),
  Flag.mapEffect((text) => {
    const named = text.split(",").map((name) => name.trim())
    const asked = named.flatMap((name) => presets.get(name) ?? (isScope(name) ? [name] : []))
    return named.every((name) => presets.has(name) || isScope(name))
      ? Effect.succeed(allScopes.filter((scope) => asked.includes(scope)))
      : Effect.fail(invalidFlag("scopes", text, `Expected read, write, or a list of ${allScopes.join(", ")}`))
  })
)

/** The preset of exactly these scopes, else their list. */
export const scopesShown = (scopes: ReadonlyArray<Scope>): string =>
  [...presets].find(
    ([, preset]) => preset.length === scopes.length && preset.every((scope) => scopes.includes(scope))
  )?.[0] ?? scopes.join(",")

const duration = /^([1-9]\d{0,4})([mhdw])$/
const units = { m: Duration.minutes, h: Duration.hours, d: Duration.days, w: Duration.weeks }

/** When a grant ends, as an instant; null: never. */
export const expiresFlag = Flag.String("expires").pipe(
  Flag.withDescription("When the grant ends: in 7d, 12h, 30m or 2w, at an instant, or never (default: 7d)"),
  Flag.withDefault("7d"),
  Flag.mapEffect((text) =>
    Effect.gen(function* () {
      if (text === "never") return null
      if (isInstant(text)) return new Date(text).toISOString()
      const [, count, unit] = duration.exec(text) ?? []
      if (count === undefined) {
        return yield* invalidFlag(
          "expires",
          text,
          "Expected 7d, 12h, an instant such as 2027-01-31T12:00:00Z, or never"
        )
      }
      const after = units[unit as keyof typeof units](Number(count))
      return new Date((yield* Clock.currentTimeMillis) + Duration.toMillis(after)).toISOString()
    })
  )
)

const invalidFlag = (option: string, value: string, expected: string) =>
  new CliError.InvalidValue({ option, value, expected, kind: "flag" })
