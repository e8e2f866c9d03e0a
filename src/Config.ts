import { resolve } from "node:path"
import {
  Array,
  Context,
  Duration,
  Effect,
  Layer,
  Option,
  type Redacted,
  Result,
  Schema,
  Struct
} from "effect"
import { exampleValuesIn, type Fault, faultsAmong } from "./ConfigRules.ts"
import { isLoopback } from "./domain/Network.ts"
import { type Pepper, readPepper } from "./domain/Pepper.ts"
import { readSigningKey, type SigningKey } from "./domain/SigningKey.ts"
import {
  address,
  flag,
  hostName,
  hosts,
  integer,
  networks,
  oneOf,
  optional,
  origins,
  postgresUrl,
  secretOf,
  secrets,
  text,
  type Variable,
  variable,
  webUrl,
  withDefault
} from "./Variables.ts"

/** Every setting of the gateway, typed. Secrets are `Redacted` from here inwards. */
export class Settings extends Context.Service<
  Settings,
  {
    readonly databaseUrl: Option.Option<Redacted.Redacted<string>>
    readonly migrationDatabaseUrl: Option.Option<Redacted.Redacted<string>>
    readonly sealerDatabaseUrl: Option.Option<Redacted.Redacted<string>>
    readonly dataDir: string
    readonly host: string
    readonly port: number
    /** Address of the host that the container's port is published on. */
    readonly hostBind: Option.Option<string>
    readonly production: boolean
    readonly logLevel: LogLevel
    readonly internalToken: Option.Option<Redacted.Redacted<string>>
    /** Accepted beside `internalToken` while it is being replaced. */
    readonly previousInternalToken: Option.Option<Redacted.Redacted<string>>
    /** Networks that may use the lifecycle API; none: all. */
    readonly lifecycleNetworks: ReadonlyArray<string>
    /** What this instance signs the audit trail with. */
    readonly auditSigningKey: Option.Option<SigningKey>
    /** Keys the hashes of pairing codes, which are too short to be kept under a plain one. */
    readonly pairingPepper: Option.Option<Pepper>
    readonly taskerUrl: Option.Option<URL>
    readonly taskerToken: Option.Option<Redacted.Redacted<string>>
    readonly taskerTimeout: Duration.Duration
    /** Time after which a sent request is assumed dead. */
    readonly settleAfter: Duration.Duration
    /** Which API Tasker speaks. */
    readonly taskerKind: TaskerKind
    readonly planeUrl: Option.Option<URL>
    /** API keys of one account; they share the budget of requests. */
    readonly planeKeys: ReadonlyArray<Redacted.Redacted<string>>
    /** Requests that Plane accepts in a minute under each key. */
    readonly planeRequestsPerMinute: number
    /** Start of the cards' addresses, without a trailing slash. */
    readonly planeWebUrl: Option.Option<string>
    /** True if a comment ends with a line that names its agent. */
    readonly planeViaLine: boolean
    /** Longest lifetime of a grant, which then has to expire; none: a grant may live for ever. */
    readonly longestGrant: Option.Option<Duration.Duration>
    readonly callDeadline: Duration.Duration
    /** Calls of an agent in a minute, over all instances; 0: no limit. */
    readonly readsPerMinute: number
    readonly writesPerMinute: number
    /** Denials in ten minutes after which an agent is disabled; 0: no rule ever disables one. */
    readonly suspendAfterDenials: number
    /** For how long the same card by the same agent is taken for a repetition; zero: never. */
    readonly duplicateWindow: Duration.Duration
    /** For how long an answer is kept for replay. */
    readonly idempotencyRetention: Duration.Duration
    /** For how long the before and after of a change is kept. */
    readonly changeRetention: Duration.Duration
    /** How long an access token of `codex mcp login` lives before it has to be refreshed. */
    readonly accessTokenLife: Duration.Duration
    /** Hosts whose client ID metadata documents are fetched. */
    readonly cimdHosts: ReadonlyArray<string>
    /** Hosts, besides loopback, that an authorization code may be sent to. */
    readonly redirectHosts: ReadonlyArray<string>
    /** How long calls under way may take once the gateway is told to stop. */
    readonly shutdownGrace: Duration.Duration
    /** Addresses and networks whose `X-Forwarded-For` is believed. */
    readonly trustedProxies: ReadonlyArray<string>
    readonly allowedHosts: ReadonlyArray<string>
    readonly allowedOrigins: ReadonlyArray<string>
    /** Without a trailing slash. Unset in development: the address that the server came to listen on. */
    readonly publicUrl: Option.Option<string>
    /** Variables that hold a value of `.env.example`. */
    readonly exampleValues: ReadonlyArray<string>
  }
>()("tasker-codex-api/Config") {
  static readonly layer = (environment: Environment) => Layer.effect(Settings, fromEnvironment(environment))
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const
export type LogLevel = (typeof logLevels)[number]

const taskerKinds = ["nodedc", "plane"] as const
export type TaskerKind = (typeof taskerKinds)[number]

/** In the order of `.env.example`, which says what each is for; a test holds the two together. */
export const variables = {
  databaseUrl: variable("DATABASE_URL", optional(postgresUrl)),
  migrationDatabaseUrl: variable("MIGRATION_DATABASE_URL", optional(postgresUrl)),
  sealerDatabaseUrl: variable("SEALER_DATABASE_URL", optional(postgresUrl)),
  dataDir: variable("DATA_DIR", withDefault(".data", text)),
  host: variable("HOST", withDefault("127.0.0.1", text)),
  port: variable("PORT", withDefault(4100, integer(0, 65_535))),
  hostBind: variable("HOST_BIND", optional(address)),
  hostGateway: variable("HOST_GATEWAY", optional(hostName)),
  nodeEnv: variable("NODE_ENV", withDefault("development", oneOf(["development", "production", "test"]))),
  logLevel: variable("LOG_LEVEL", withDefault<LogLevel>("info", oneOf(logLevels))),
  internalToken: variable("NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", optional(secretOf(1))),
  previousInternalToken: variable("NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN", optional(secretOf(1))),
  lifecycleNetworks: variable("LIFECYCLE_NETWORKS", withDefault<ReadonlyArray<string>>([], networks)),
  auditSigningKey: variable("AUDIT_SIGNING_KEY", optional(readSigningKey)),
  pairingPepper: variable("PAIRING_PEPPER", optional(readPepper)),
  taskerUrl: variable("NODEDC_TASKER_INTERNAL_URL", optional(webUrl)),
  taskerToken: variable("NODEDC_INTERNAL_ACCESS_TOKEN", optional(secretOf(1))),
  taskerKind: variable("TASKER_KIND", withDefault<TaskerKind>("nodedc", oneOf(taskerKinds))),
  planeUrl: variable("PLANE_BASE_URL", optional(webUrl)),
  planeKeys: variable("PLANE_API_KEYS", withDefault<ReadonlyArray<Redacted.Redacted<string>>>([], secrets)),
  planeRequestsPerMinute: variable("PLANE_REQUESTS_PER_MINUTE", withDefault(60, integer(20, 1_000_000))),
  planeWebUrl: variable("PLANE_WEB_URL", optional(webUrl)),
  planeViaLine: variable("PLANE_VIA_LINE", withDefault(true, flag)),
  taskerTimeoutMs: variable("TASKER_TIMEOUT_MS", withDefault(10_000, integer(100, 60_000))),
  settleAfterMs: variable("TASKER_SETTLE_AFTER_MS", withDefault(30_000, integer(0, 600_000))),
  callDeadlineMs: variable("CALL_DEADLINE_MS", withDefault(40_000, integer(1000, 300_000))),
  readsPerMinute: variable("RATE_LIMIT_READS_PER_MINUTE", withDefault(600, integer(0, 1_000_000))),
  writesPerMinute: variable("RATE_LIMIT_WRITES_PER_MINUTE", withDefault(120, integer(0, 1_000_000))),
  suspendAfterDenials: variable("SUSPEND_AFTER_DENIALS", withDefault(100, integer(0, 1_000_000))),
  duplicateWindowMinutes: variable("DUPLICATE_WINDOW_MINUTES", withDefault(15, integer(0, 1440))),
  idempotencyRetentionHours: variable("IDEMPOTENCY_RETENTION_HOURS", withDefault(72, integer(1, 8760))),
  changeRetentionDays: variable("CHANGE_RETENTION_DAYS", withDefault(90, integer(1, 3650))),
  accessTokenSeconds: variable("OAUTH_ACCESS_TOKEN_SECONDS", withDefault(3600, integer(1, 86_400))),
  cimdHosts: variable("OAUTH_CIMD_HOSTS", withDefault<ReadonlyArray<string>>(["chatgpt.com"], hosts)),
  redirectHosts: variable("OAUTH_REDIRECT_HOSTS", withDefault<ReadonlyArray<string>>([], hosts)),
  shutdownGraceSeconds: variable("SHUTDOWN_GRACE_SECONDS", withDefault(20, integer(1, 600))),
  trustedProxies: variable("TRUSTED_PROXIES", withDefault<ReadonlyArray<string>>([], networks)),
  allowedHosts: variable("ALLOWED_HOSTS", withDefault<ReadonlyArray<string>>([], hosts)),
  allowedOrigins: variable("ALLOWED_ORIGINS", withDefault<ReadonlyArray<string>>([], origins)),
  publicUrl: variable("NODEDC_AGENT_GATEWAY_PUBLIC_URL", optional(webUrl))
} as const

const longestPlaneGrant = Duration.days(30)

const productPublicUrl = "https://ops-agents.nodedc.ru"

/** Every fault of the environment at once, by variable. Never holds a value. */
class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  faults: Schema.Array(Schema.Struct({ variable: Schema.String, fault: Schema.String }))
}) {
  override get message(): string {
    const lines = this.faults.map(({ variable, fault }) => `  ${variable}: ${fault}`)
    return `The configuration has ${lines.length === 1 ? "a fault" : `${lines.length} faults`}; nothing was started.\n${lines.join("\n")}`
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads one variable. An empty value counts as unset, as Compose passes it. */
interface Read extends Struct.Lambda {
  <A>(variable: Variable<A>): Result.Result<A, Fault>
  readonly "~lambda.out": this["~lambda.in"] extends Variable<infer A> ? Result.Result<A, Fault> : never
}
const readIn = (environment: Environment) =>
  Struct.lambda<Read>(({ name, read }) => {
    const raw = environment[name]?.trim()
    return Result.mapError(read(raw === "" ? undefined : raw), (fault) => ({ variable: name, fault }))
  })

/** Keeps what could be read. */
interface Readable extends Struct.Lambda {
  <A>(result: Result.Result<A, Fault>): A | undefined
  readonly "~lambda.out": this["~lambda.in"] extends Result.Result<infer A, Fault> ? A | undefined : never
}
const readable = Struct.lambda<Readable>(Result.getOrUndefined)

/** Reads the settings from an environment. */
export const fromEnvironment = (
  environment: Environment
): Effect.Effect<Settings["Service"], ConfigurationInvalid> => {
  const results = Struct.map(variables, readIn(environment))
  const known = Struct.map(results, readable)
  const read = Result.all(results)
  const faults = [...Array.getFailures(Object.values(results)), ...faultsAmong(known)]
  if (Result.isFailure(read) || faults.length > 0) return Effect.fail(new ConfigurationInvalid({ faults }))
  const {
    accessTokenSeconds,
    callDeadlineMs,
    changeRetentionDays,
    dataDir,
    duplicateWindowMinutes,
    hostGateway,
    idempotencyRetentionHours,
    nodeEnv,
    planeWebUrl,
    publicUrl,
    settleAfterMs,
    shutdownGraceSeconds,
    taskerTimeoutMs,
    ...values
  } = read.success
  const production = nodeEnv === "production"
  return Effect.succeed({
    ...values,
    production,
    exampleValues: exampleValuesIn(known).map(({ variable }) => variable),
    dataDir: resolve(dataDir),
    taskerUrl: Option.map(values.taskerUrl, reachedBy(hostGateway)),
    planeUrl: Option.map(values.planeUrl, reachedBy(hostGateway)),
    taskerTimeout: Duration.millis(taskerTimeoutMs),
    settleAfter: Duration.millis(settleAfterMs),
    planeWebUrl: Option.map(
      Option.orElse(planeWebUrl, () => values.planeUrl),
      (parsed) => parsed.href.replace(/\/+$/, "")
    ),
    // A service key can't see that an owner was removed from a project, so such a grant has to end by itself.
    longestGrant: values.taskerKind === "plane" ? Option.some(longestPlaneGrant) : Option.none(),
    callDeadline: Duration.millis(callDeadlineMs),
    duplicateWindow: Duration.minutes(duplicateWindowMinutes),
    idempotencyRetention: Duration.hours(idempotencyRetentionHours),
    changeRetention: Duration.days(changeRetentionDays),
    accessTokenLife: Duration.seconds(accessTokenSeconds),
    shutdownGrace: Duration.seconds(shutdownGraceSeconds),
    publicUrl: Option.orElse(
      Option.map(publicUrl, (parsed) => parsed.href.replace(/\/+$/, "")),
      () => (production ? Option.some(productPublicUrl) : Option.none())
    )
  })
}

/** Replaces a loopback host: within a container that is the container, and its host has another name. */
const reachedBy =
  (hostGateway: Option.Option<string>) =>
  (url: URL): URL => {
    if (Option.isNone(hostGateway) || !isLoopback(url.hostname)) return url
    const reached = new URL(url)
    reached.hostname = hostGateway.value
    return reached
  }
