import { Option, Redacted } from "effect"
import { isLoopback, isWide } from "./domain/Network.ts"
import { isPlaceholderPepper, type Pepper } from "./domain/Pepper.ts"
import { isPlaceholder, type SigningKey } from "./domain/SigningKey.ts"

/** Rules between variables that are each right by themselves. */

/** Names a variable and what is wrong with it. Never holds a value. */
export interface Fault {
  readonly variable: string
  readonly fault: string
}

type Secret = Redacted.Redacted<string>

/**
 * The values that rules look at. One that could not be read is undefined: its own fault is told, and every rule
 * that does not need it is still checked.
 */
export interface Known {
  readonly databaseUrl: Option.Option<Secret> | undefined
  readonly migrationDatabaseUrl: Option.Option<Secret> | undefined
  readonly sealerDatabaseUrl: Option.Option<Secret> | undefined
  readonly host: string | undefined
  readonly hostBind: Option.Option<string> | undefined
  readonly nodeEnv: string | undefined
  readonly internalToken: Option.Option<Secret> | undefined
  readonly previousInternalToken: Option.Option<Secret> | undefined
  readonly auditSigningKey: Option.Option<SigningKey> | undefined
  readonly pairingPepper: Option.Option<Pepper> | undefined
  readonly taskerUrl: Option.Option<URL> | undefined
  readonly taskerToken: Option.Option<Secret> | undefined
  readonly taskerKind: string | undefined
  readonly planeUrl: Option.Option<URL> | undefined
  readonly planeKeys: ReadonlyArray<Secret> | undefined
  readonly taskerTimeoutMs: number | undefined
  readonly callDeadlineMs: number | undefined
  readonly trustedProxies: ReadonlyArray<string> | undefined
  readonly publicUrl: Option.Option<URL> | undefined
}

/** Shortest internal token that production accepts. */
const internalTokenLength = 32

const holds = <A>(value: Option.Option<A> | undefined, is: (value: A) => boolean): boolean =>
  value !== undefined && Option.exists(value, is)

const isUnset = (value: Option.Option<unknown> | undefined): boolean =>
  value !== undefined && Option.isNone(value)

const isExampleText = (secret: Secret): boolean => Redacted.value(secret).includes("replace-with-")

/** A secret that holds the value of `.env.example`, and how to make one of one's own. */
interface ExampleValue {
  readonly variable: string
  readonly make: string
}

/** Returns the secrets, but for database passwords, that hold a value of `.env.example`. */
export const exampleValuesIn = (known: Known): ReadonlyArray<ExampleValue> =>
  [
    {
      variable: "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
      make: "`openssl rand -hex 32` makes one",
      is: holds(known.internalToken, isExampleText)
    },
    {
      variable: "NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN",
      make: "leave it empty",
      is: holds(known.previousInternalToken, isExampleText)
    },
    {
      variable: "AUDIT_SIGNING_KEY",
      make: "`openssl genpkey -algorithm ed25519 -outform DER | openssl base64 -A` makes one",
      is: holds(known.auditSigningKey, isPlaceholder)
    },
    {
      variable: "PAIRING_PEPPER",
      make: "`openssl rand -base64 32` makes one",
      is: holds(known.pairingPepper, isPlaceholderPepper)
    },
    {
      variable: "NODEDC_INTERNAL_ACCESS_TOKEN",
      make: "`openssl rand -hex 32` makes one; Tasker has to have the same",
      is: holds(known.taskerToken, isExampleText)
    }
  ].filter(({ is }) => is)

const examplePasswordsIn = (known: Known): ReadonlyArray<ExampleValue> =>
  [
    { variable: "DATABASE_URL", url: known.databaseUrl },
    { variable: "MIGRATION_DATABASE_URL", url: known.migrationDatabaseUrl },
    { variable: "SEALER_DATABASE_URL", url: known.sealerDatabaseUrl }
  ]
    .filter(({ url }) => holds(url, isExampleText))
    .map(({ variable }) => ({
      variable,
      make: "`openssl rand -hex 32` makes a password; PostgreSQL and, with Compose, POSTGRES_PASSWORD or POSTGRES_CALLS_PASSWORD have to have the same"
    }))

/** True if other machines can reach the gateway: it listens for them, and is not published on loopback alone. */
const isExposed = ({ host, hostBind }: Known): boolean =>
  host !== undefined && !isLoopback(host) && hostBind !== undefined && !Option.exists(hostBind, isLoopback)

const exampleFaults = (known: Known): ReadonlyArray<Fault> => {
  const fault = (where: string) => (value: ExampleValue) => ({
    variable: value.variable,
    fault: `holds the value of .env.example, which everyone knows, and is refused ${where}: ${value.make}`
  })
  if (known.nodeEnv === "production") {
    return [...exampleValuesIn(known), ...examplePasswordsIn(known)].map(fault("in production"))
  }
  return isExposed(known)
    ? exampleValuesIn(known).map(
        fault("because other machines can reach the gateway (HOST is not loopback, nor is HOST_BIND)")
      )
    : []
}

const productionFaults = (known: Known): ReadonlyArray<Fault> => {
  if (known.nodeEnv !== "production") return []
  const faults: Array<Fault> = []
  const required = { fault: "is required in production" }
  if (isUnset(known.internalToken))
    faults.push({ variable: "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", ...required })
  if (isUnset(known.auditSigningKey)) faults.push({ variable: "AUDIT_SIGNING_KEY", ...required })
  if (isUnset(known.pairingPepper)) faults.push({ variable: "PAIRING_PEPPER", ...required })
  for (const [variable, token] of [
    ["NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", known.internalToken],
    ["NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN", known.previousInternalToken]
  ] as const) {
    if (
      holds(token, (secret) => !isExampleText(secret) && Redacted.value(secret).length < internalTokenLength)
    ) {
      faults.push({ variable, fault: `expected ${internalTokenLength} characters or more in production` })
    }
  }
  if (holds(known.publicUrl, ({ hostname, protocol }) => protocol === "http:" && !isLoopback(hostname))) {
    faults.push({
      variable: "NODEDC_AGENT_GATEWAY_PUBLIC_URL",
      fault: "expected https:// in production, since tokens are sent there; http:// only for loopback"
    })
  }
  if (known.trustedProxies?.some(isWide) === true) {
    faults.push({
      variable: "TRUSTED_PROXIES",
      fault:
        "holds a network wider than /8 (IPv6: /7), from which strangers could claim any address: name the proxies alone"
    })
  }
  return faults
}

const userOf = (url: Secret): string => new URL(Redacted.value(url)).username

const faultsBetween = (known: Known): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  if (isUnset(known.databaseUrl) && holds(known.migrationDatabaseUrl, () => true)) {
    faults.push({ variable: "DATABASE_URL", fault: "is required if MIGRATION_DATABASE_URL is set" })
  }
  if (isUnset(known.databaseUrl) && holds(known.sealerDatabaseUrl, () => true)) {
    faults.push({ variable: "DATABASE_URL", fault: "is required if SEALER_DATABASE_URL is set" })
  }
  if (
    holds(known.sealerDatabaseUrl, (sealer) =>
      holds(known.databaseUrl, (calls) => userOf(calls) === userOf(sealer))
    )
  ) {
    faults.push({ variable: "SEALER_DATABASE_URL", fault: "expected another user than that of DATABASE_URL" })
  }
  if (isUnset(known.taskerToken) && holds(known.taskerUrl, () => true)) {
    faults.push({
      variable: "NODEDC_INTERNAL_ACCESS_TOKEN",
      fault: "is required if NODEDC_TASKER_INTERNAL_URL is set"
    })
  }
  if (isUnset(known.internalToken) && holds(known.previousInternalToken, () => true)) {
    faults.push({
      variable: "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
      fault: "is required if NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN is set"
    })
  }
  if (known.taskerKind === "plane") {
    const required = { fault: "is required if TASKER_KIND is plane" }
    if (isUnset(known.planeUrl)) faults.push({ variable: "PLANE_BASE_URL", ...required })
    if (known.planeKeys?.length === 0) faults.push({ variable: "PLANE_API_KEYS", ...required })
  }
  // A write asks Tasker what it depends on and then sends its change: time for both, or none would ever be sent.
  if (
    known.callDeadlineMs !== undefined &&
    known.taskerTimeoutMs !== undefined &&
    known.callDeadlineMs < 2 * known.taskerTimeoutMs
  ) {
    faults.push({ variable: "CALL_DEADLINE_MS", fault: "expected at least twice TASKER_TIMEOUT_MS" })
  }
  return faults
}

/** Returns what is wrong between the values that could be read. */
export const faultsAmong = (known: Known): ReadonlyArray<Fault> => [
  ...productionFaults(known),
  ...exampleFaults(known),
  ...faultsBetween(known)
]
