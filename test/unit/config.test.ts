import { generateKeyPairSync, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { inspect, parseEnv } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import { fromEnvironment, variables } from "../../src/Config.ts"

const secret = "s3cr3t-that-must-never-be-shown"

const pkcs8 = (type: "ed25519" | "x25519" | "rsa", format: "pem" | "der"): string => {
  const { privateKey } =
    type === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : type === "x25519"
        ? generateKeyPairSync("x25519")
        : generateKeyPairSync("ed25519")
  return format === "pem"
    ? privateKey.export({ format, type: "pkcs8" }).toString()
    : privateKey.export({ format, type: "pkcs8" }).toString("base64")
}

const faultsOf = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(fromEnvironment(environment)), (failure) => failure)

describe("the configuration", () => {
  it.effect("has a default for everything in development", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment({})
      assert.strictEqual(settings.host, "127.0.0.1")
      assert.strictEqual(settings.port, 4100)
      assert.strictEqual(Duration.toMillis(settings.taskerTimeout), 10_000)
      assert.isTrue(Option.isNone(settings.databaseUrl))
      assert.isTrue(Option.isNone(settings.publicUrl))
    })
  )

  it.effect("takes an empty value for an unset one, as Compose passes it", () =>
    Effect.gen(function* () {
      const names = Object.values(variables).map(({ name }) => name)
      const empty = yield* fromEnvironment(Object.fromEntries(names.map((name) => [name, ""])))
      assert.deepStrictEqual(empty, yield* fromEnvironment({}))
    })
  )

  it.effect("names every fault at once, by variable, and prints no secret", () =>
    Effect.gen(function* () {
      const failure = yield* faultsOf({
        PORT: "70000",
        LOG_LEVEL: "loud",
        DATABASE_URL: `mysql://user:${secret}@host/db`,
        NODEDC_TASKER_INTERNAL_URL: `http://user:${secret}@tasker`,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: `${secret} with spaces`,
        TASKER_TIMEOUT_MS: "soon"
      })
      const named = failure.faults.map(({ variable }) => variable)
      for (const name of [
        "PORT",
        "LOG_LEVEL",
        "DATABASE_URL",
        "NODEDC_TASKER_INTERNAL_URL",
        "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
        "TASKER_TIMEOUT_MS"
      ]) {
        assert.include(named, name)
        assert.include(failure.message, name)
      }
      assert.notInclude(failure.message, secret)
      assert.notInclude(JSON.stringify(failure), secret)
    })
  )

  it.effect("demands an internal token of 32 characters in production", () =>
    Effect.gen(function* () {
      assert.include(
        (yield* faultsOf({ NODE_ENV: "production" })).message,
        "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: is required"
      )
      const short = {
        NODE_ENV: "production",
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(31),
        AUDIT_SIGNING_KEY: pkcs8("ed25519", "der"),
        PAIRING_PEPPER: "0".repeat(64)
      }
      assert.include((yield* faultsOf(short)).message, "32 characters or more")
      const settings = yield* fromEnvironment({
        ...short,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(32)
      })
      assert.strictEqual(Option.getOrThrow(settings.publicUrl), "https://ops-agents.nodedc.ru")
    })
  )

  it.effect("takes an Ed25519 private key, as PEM, also in one line, or as base64, and tells its id", () =>
    Effect.gen(function* () {
      const { privateKey } = generateKeyPairSync("ed25519")
      const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString()
      const der = privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")
      const ids = yield* Effect.forEach([pem, pem.replaceAll("\n", "\\n"), der], (AUDIT_SIGNING_KEY) =>
        Effect.map(fromEnvironment({ AUDIT_SIGNING_KEY }), ({ auditSigningKey }) => {
          const key = Option.getOrThrow(auditSigningKey)
          assert.notInclude(inspect(key, { depth: 9 }) + JSON.stringify(key), der.slice(-20))
          return key.verifying.id
        })
      )
      assert.match(ids[0] ?? "", /^[0-9a-f]{32}$/)
      assert.strictEqual(new Set(ids).size, 1)
    })
  )

  it.effect("takes no other key for one, and says so by the variable and without the value", () =>
    Effect.gen(function* () {
      const { publicKey } = generateKeyPairSync("ed25519")
      const wrong = [
        pkcs8("rsa", "pem"),
        pkcs8("x25519", "der"),
        publicKey.export({ format: "pem", type: "spki" }).toString(),
        publicKey.export({ format: "der", type: "spki" }).toString("base64"),
        secret,
        `${pkcs8("ed25519", "der")}=`,
        pkcs8("ed25519", "pem").slice(0, -40)
      ]
      for (const value of wrong) {
        const failure = yield* faultsOf({ AUDIT_SIGNING_KEY: value })
        assert.deepStrictEqual(failure.faults, [
          {
            variable: "AUDIT_SIGNING_KEY",
            fault: "expected an Ed25519 private key: PKCS 8, as PEM or as DER in base64"
          }
        ])
      }
    })
  )

  it.effect("demands a signing key in production, and not the one that everyone knows", () =>
    Effect.gen(function* () {
      const production = {
        NODE_ENV: "production",
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(32)
      }
      assert.include((yield* faultsOf(production)).message, "AUDIT_SIGNING_KEY: is required in production")
      const { AUDIT_SIGNING_KEY = "" } = parseEnv(readFileSync(".env.example", "utf8"))
      yield* fromEnvironment({ AUDIT_SIGNING_KEY })
      const { message } = yield* faultsOf({ ...production, AUDIT_SIGNING_KEY })
      assert.include(message, "AUDIT_SIGNING_KEY: is the example's, which everyone knows")
      assert.notInclude(message, AUDIT_SIGNING_KEY)
    })
  )

  it.effect(
    "takes a pepper of 32 bytes or more, in hex or base64, and says what it expects without the value",
    () =>
      Effect.gen(function* () {
        const bytes = randomBytes(32)
        for (const spelling of ["hex", "base64", "base64url"] as const) {
          const { pairingPepper } = yield* fromEnvironment({ PAIRING_PEPPER: bytes.toString(spelling) })
          const pepper = Option.getOrThrow(pairingPepper)
          assert.deepStrictEqual(Buffer.from(Redacted.value(pepper)), bytes)
          assert.notInclude(inspect(pepper, { depth: 9 }) + JSON.stringify(pepper), bytes.toString(spelling))
        }
        for (const wrong of ["short", bytes.toString("hex").slice(2), "не база", `${"a".repeat(50)}!`]) {
          const { faults } = yield* faultsOf({ PAIRING_PEPPER: wrong })
          assert.deepStrictEqual(faults, [
            { variable: "PAIRING_PEPPER", fault: "expected 32 bytes or more, in base64 or hex" }
          ])
        }
      })
  )

  it.effect("demands a pepper in production, and not the one that everyone knows", () =>
    Effect.gen(function* () {
      const production = { NODE_ENV: "production", AUDIT_SIGNING_KEY: pkcs8("ed25519", "der") }
      assert.include((yield* faultsOf(production)).message, "PAIRING_PEPPER: is required in production")
      const { PAIRING_PEPPER = "" } = parseEnv(readFileSync(".env.example", "utf8"))
      const { message } = yield* faultsOf({ ...production, PAIRING_PEPPER })
      assert.include(message, "PAIRING_PEPPER: is the example's, which everyone knows")
      assert.notInclude(message, PAIRING_PEPPER)
    })
  )

  it.effect("takes host names and nothing else for the hosts of documents and redirects", () =>
    Effect.gen(function* () {
      const { cimdHosts, redirectHosts } = yield* fromEnvironment({
        OAUTH_CIMD_HOSTS: "Example.com, docs.example.org:8443",
        OAUTH_REDIRECT_HOSTS: ""
      })
      assert.deepStrictEqual(cimdHosts, ["example.com", "docs.example.org:8443"])
      assert.deepStrictEqual(redirectHosts, [])
      for (const wrong of ["https://example.com", "example.com/x", "user@example.com", "*.example.com"]) {
        assert.include(
          (yield* faultsOf({ OAUTH_CIMD_HOSTS: wrong })).message,
          "OAUTH_CIMD_HOSTS: expected host names"
        )
      }
    })
  )

  it.effect("demands a database for the owner's connection to be of", () =>
    Effect.map(faultsOf({ MIGRATION_DATABASE_URL: "postgres://owner@host/db" }), ({ message }) =>
      assert.include(message, "DATABASE_URL: is required where MIGRATION_DATABASE_URL is set")
    )
  )

  it.effect("demands the bearer for a Tasker that is named", () =>
    Effect.map(faultsOf({ NODEDC_TASKER_INTERNAL_URL: "http://localhost:8090" }), ({ message }) =>
      assert.include(message, "NODEDC_INTERNAL_ACCESS_TOKEN")
    )
  )

  it.effect("demands a deadline in which a call can be planned and sent", () =>
    Effect.map(faultsOf({ TASKER_TIMEOUT_MS: "10000", CALL_DEADLINE_MS: "19999" }), ({ message }) =>
      assert.include(message, "CALL_DEADLINE_MS: expected at least twice TASKER_TIMEOUT_MS")
    )
  )

  it.effect("keeps secrets redacted however they are printed", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment({
        DATABASE_URL: `postgres://user:${secret}@host/db`,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: secret,
        NODEDC_INTERNAL_ACCESS_TOKEN: secret
      })
      assert.notInclude(JSON.stringify(settings), secret)
      assert.strictEqual(Redacted.value(Option.getOrThrow(settings.internalToken)), secret)
    })
  )

  it.effect("accepts LOG_LEVEL=silent and a public URL with a slash at its end", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment({
        LOG_LEVEL: "silent",
        NODEDC_AGENT_GATEWAY_PUBLIC_URL: "https://agents.example/"
      })
      assert.strictEqual(settings.logLevel, "silent")
      assert.strictEqual(Option.getOrThrow(settings.publicUrl), "https://agents.example")
    })
  )
})
