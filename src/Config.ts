import { resolve } from "node:path"
import { Context, Data, Duration, Effect, Layer, Option, Redacted, Result } from "effect"

/** Every setting of the gateway, typed. Secrets are `Redacted` from here inwards. */
export interface Settings {
  readonly databaseUrl: Option.Option<Redacted.Redacted<string>>
  readonly migrationDatabaseUrl: Option.Option<Redacted.Redacted<string>>
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly production: boolean
  readonly logLevel: LogLevel
  readonly internalToken: Option.Option<Redacted.Redacted<string>>
  readonly taskerUrl: Option.Option<URL>
  readonly taskerToken: Option.Option<Redacted.Redacted<string>>
  readonly taskerTimeout: Duration.Duration
  readonly callDeadline: Duration.Duration
  readonly allowedHosts: ReadonlyArray<string>
  readonly allowedOrigins: ReadonlyArray<string>
  /** Without a trailing slash. Unset in development: the address that the server came to listen on. */
  readonly publicUrl: Option.Option<string>
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const
export type LogLevel = (typeof logLevels)[number]

/** One environment variable: what it is for, how it is read, and whether its value may ever be shown. */
interface Variable<A> {
  readonly name: string
  readonly describes: string
  readonly secret: boolean
  /** Fails with what was expected; never repeats the value. */
  readonly read: (text: string | undefined) => Result.Result<A, string>
}

const variable = <A>(
  name: string,
  describes: string,
  read: (text: string | undefined) => Result.Result<A, string>,
  options: { readonly secret: boolean } = { secret: false }
): Variable<A> => ({ name, describes, secret: options.secret, read })

const optional =
  <A>(read: (text: string) => Result.Result<A, string>) =>
  (text: string | undefined): Result.Result<Option.Option<A>, string> =>
    text === undefined ? Result.succeed(Option.none()) : Result.map(read(text), Option.some)

const withDefault =
  <A>(fallback: A, read: (text: string) => Result.Result<A, string>) =>
  (text: string | undefined): Result.Result<A, string> =>
    text === undefined ? Result.succeed(fallback) : read(text)

const integer =
  (minimum: number, maximum: number) =>
  (text: string): Result.Result<number, string> => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= minimum && value <= maximum
      ? Result.succeed(value)
      : Result.fail(`expected a whole number from ${minimum} to ${maximum}`)
  }

const oneOf =
  <const A extends string>(choices: ReadonlyArray<A>) =>
  (text: string): Result.Result<A, string> => {
    const found = choices.find((choice) => choice === text.toLowerCase())
    return found === undefined ? Result.fail(`expected one of ${choices.join(", ")}`) : Result.succeed(found)
  }

const url =
  (protocols: ReadonlyArray<string>) =>
  (text: string): Result.Result<URL, string> => {
    const expected = `expected an absolute URL starting with ${protocols.map((p) => `${p}//`).join(" or ")}`
    if (!URL.canParse(text)) return Result.fail(expected)
    const parsed = new URL(text)
    return protocols.includes(parsed.protocol) ? Result.succeed(parsed) : Result.fail(expected)
  }

const webUrl = (text: string): Result.Result<URL, string> =>
  Result.flatMap(url(["http:", "https:"])(text), (parsed) =>
    parsed.username !== "" || parsed.password !== "" || parsed.search !== "" || parsed.hash !== ""
      ? Result.fail("expected a URL without user, password, query and fragment")
      : Result.succeed(parsed)
  )

const postgresUrl = (text: string): Result.Result<Redacted.Redacted<string>, string> =>
  Result.map(url(["postgres:", "postgresql:"])(text), () => Redacted.make(text, { label: "database URL" }))

const secretOf =
  (minimum: number) =>
  (text: string): Result.Result<Redacted.Redacted<string>, string> => {
    if (!/^[\x21-\x7e]+$/.test(text)) return Result.fail("expected printable ASCII without spaces")
    return text.length < minimum
      ? Result.fail(`expected ${minimum} characters or more`)
      : Result.succeed(Redacted.make(text))
  }

const list = (text: string): Result.Result<ReadonlyArray<string>, string> =>
  Result.succeed(
    text
      .split(",")
      .map((item) => item.trim().toLowerCase())
      .filter((item) => item !== "")
  )

const text = (value: string): Result.Result<string, string> => Result.succeed(value)

/** In the order of `.env.example`, which a test holds against this list. */
export const variables = {
  databaseUrl: variable(
    "DATABASE_URL",
    "PostgreSQL to use; unset: an embedded one under DATA_DIR",
    optional(postgresUrl),
    { secret: true }
  ),
  migrationDatabaseUrl: variable(
    "MIGRATION_DATABASE_URL",
    "the owner's connection, where DATABASE_URL is a restricted role's",
    optional(postgresUrl),
    { secret: true }
  ),
  dataDir: variable(
    "DATA_DIR",
    "where the embedded database and generated secrets live",
    withDefault(".data", text)
  ),
  host: variable("HOST", "address to listen on", withDefault("127.0.0.1", text)),
  port: variable("PORT", "port to listen on", withDefault(4100, integer(0, 65_535))),
  nodeEnv: variable(
    "NODE_ENV",
    "development or production",
    withDefault("development", oneOf(["development", "production", "test"]))
  ),
  logLevel: variable(
    "LOG_LEVEL",
    `one of ${logLevels.join(", ")}`,
    withDefault<LogLevel>("info", oneOf(logLevels))
  ),
  internalToken: variable(
    "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
    "bearer for the lifecycle API",
    optional(secretOf(1)),
    { secret: true }
  ),
  taskerUrl: variable("NODEDC_TASKER_INTERNAL_URL", "base URL of Tasker", optional(webUrl)),
  taskerToken: variable(
    "NODEDC_INTERNAL_ACCESS_TOKEN",
    "bearer that the gateway presents to Tasker",
    optional(secretOf(1)),
    { secret: true }
  ),
  taskerTimeoutMs: variable(
    "TASKER_TIMEOUT_MS",
    "longest wait for one call to Tasker, in milliseconds",
    withDefault(10_000, integer(100, 60_000))
  ),
  callDeadlineMs: variable(
    "CALL_DEADLINE_MS",
    "longest duration of one tool call, in milliseconds",
    withDefault(40_000, integer(1000, 300_000))
  ),
  allowedHosts: variable(
    "ALLOWED_HOSTS",
    "further Host values for /mcp, comma-separated",
    withDefault<ReadonlyArray<string>>([], list)
  ),
  allowedOrigins: variable(
    "ALLOWED_ORIGINS",
    "Origin values for /mcp, comma-separated",
    withDefault<ReadonlyArray<string>>([], list)
  ),
  publicUrl: variable("NODEDC_AGENT_GATEWAY_PUBLIC_URL", "what setup packets name", optional(webUrl))
} as const

/** Shortest internal token that production accepts. */
const internalTokenLength = 32

const productPublicUrl = "https://ops-agents.nodedc.ru"

/** Every fault of the environment at once, by variable. Never holds a value. */
export class ConfigurationInvalid extends Data.TaggedError("ConfigurationInvalid")<{
  readonly faults: ReadonlyArray<{ readonly variable: string; readonly fault: string }>
}> {
  override get message(): string {
    const lines = this.faults.map(({ variable, fault }) => `  ${variable}: ${fault}`)
    return `The configuration has ${lines.length === 1 ? "a fault" : `${lines.length} faults`}; nothing was started.\n${lines.join("\n")}`
  }
}

/** Reads the settings from an environment. An empty value counts as unset, as Compose passes it. */
export const fromEnvironment = (
  environment: Readonly<Record<string, string | undefined>>
): Effect.Effect<Settings, ConfigurationInvalid> => {
  const faults: Array<{ variable: string; fault: string }> = []
  const read = <A>(item: Variable<A>): A => {
    const raw = environment[item.name]?.trim()
    const result = item.read(raw === "" ? undefined : raw)
    if (Result.isSuccess(result)) return result.success
    faults.push({ variable: item.name, fault: result.failure })
    // Never used: a fault anywhere fails the whole.
    return undefined as A
  }
  const nodeEnv = read(variables.nodeEnv)
  const production = nodeEnv === "production"
  const internalToken = read(variables.internalToken)
  const taskerUrl = read(variables.taskerUrl)
  const taskerToken = read(variables.taskerToken)
  const publicUrl = read(variables.publicUrl)
  const taskerTimeoutMs = read(variables.taskerTimeoutMs)
  const callDeadlineMs = read(variables.callDeadlineMs)
  const settings = {
    databaseUrl: read(variables.databaseUrl),
    migrationDatabaseUrl: read(variables.migrationDatabaseUrl),
    dataDir: resolve(read(variables.dataDir) ?? "."),
    host: read(variables.host),
    port: read(variables.port),
    production,
    logLevel: read(variables.logLevel),
    allowedHosts: read(variables.allowedHosts),
    allowedOrigins: read(variables.allowedOrigins)
  }
  if (faults.length === 0) {
    if (production && Option.isNone(internalToken)) {
      faults.push({ variable: variables.internalToken.name, fault: "is required in production" })
    }
    if (
      production &&
      Option.exists(internalToken, (token) => Redacted.value(token).length < internalTokenLength)
    ) {
      faults.push({
        variable: variables.internalToken.name,
        fault: `expected ${internalTokenLength} characters or more in production`
      })
    }
    if (Option.isSome(taskerUrl) && Option.isNone(taskerToken)) {
      faults.push({
        variable: variables.taskerToken.name,
        fault: `is required where ${variables.taskerUrl.name} is set`
      })
    }
    if (callDeadlineMs < taskerTimeoutMs) {
      faults.push({
        variable: variables.callDeadlineMs.name,
        fault: `expected no less than ${variables.taskerTimeoutMs.name}`
      })
    }
  }
  if (faults.length > 0) return Effect.fail(new ConfigurationInvalid({ faults }))
  return Effect.succeed({
    ...settings,
    internalToken,
    taskerUrl,
    taskerToken,
    taskerTimeout: Duration.millis(taskerTimeoutMs),
    callDeadline: Duration.millis(callDeadlineMs),
    publicUrl: Option.orElse(
      Option.map(publicUrl, (parsed) => parsed.href.replace(/\/+$/, "")),
      () => (production ? Option.some(productPublicUrl) : Option.none())
    )
  })
}

/** The settings of this process, for whoever needs one. */
export class GatewayConfig extends Context.Service<GatewayConfig, Settings>()("tasker-codex-api/Config") {
  static readonly layer = (environment: Readonly<Record<string, string | undefined>>) =>
    Layer.effect(GatewayConfig, fromEnvironment(environment))
}
