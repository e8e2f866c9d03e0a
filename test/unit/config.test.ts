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
      assert.include(message, "AUDIT_SIGNING_KEY: holds the value of .env.example, which everyone knows")
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
      assert.include(message, "PAIRING_PEPPER: holds the value of .env.example, which everyone knows")
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

  it.effect("the sealer has a user of its own beside that of DATABASE_URL, which it needs", () =>
    Effect.gen(function* () {
      const alone = yield* faultsOf({ SEALER_DATABASE_URL: "postgres://sealer@host/db" })
      assert.include(alone.message, "DATABASE_URL: is required if SEALER_DATABASE_URL is set")
      const same = yield* faultsOf({
        DATABASE_URL: "postgres://calls@host/db",
        SEALER_DATABASE_URL: "postgres://calls@host/db"
      })
      assert.include(same.message, "SEALER_DATABASE_URL: expected another user than that of DATABASE_URL")
    })
  )

  it.effect("demands a database for the owner's connection to be of", () =>
    Effect.map(faultsOf({ MIGRATION_DATABASE_URL: "postgres://owner@host/db" }), ({ message }) =>
      assert.include(message, "DATABASE_URL: is required if MIGRATION_DATABASE_URL is set")
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

  it.effect("names faults of single variables and faults between variables in one message", () =>
    Effect.gen(function* () {
      const { faults } = yield* faultsOf({
        NODE_ENV: "production",
        PORT: "http",
        AUDIT_SIGNING_KEY: "no key",
        NODEDC_TASKER_INTERNAL_URL: "http://tasker:8090",
        MIGRATION_DATABASE_URL: "postgres://owner@host/db",
        CALL_DEADLINE_MS: "1000"
      })
      assert.sameMembers(
        faults.map(({ variable }) => variable),
        [
          "PORT",
          "AUDIT_SIGNING_KEY",
          "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
          "PAIRING_PEPPER",
          "DATABASE_URL",
          "NODEDC_INTERNAL_ACCESS_TOKEN",
          "CALL_DEADLINE_MS"
        ]
      )
    })
  )

  it.effect("tells a variable that can't be read once, and not also as missing", () =>
    Effect.gen(function* () {
      const { faults } = yield* faultsOf({ TASKER_TIMEOUT_MS: "soon", CALL_DEADLINE_MS: "1000" })
      assert.deepStrictEqual(
        faults.map(({ variable }) => variable),
        ["TASKER_TIMEOUT_MS"]
      )
    })
  )
})

describe("in production the configuration", () => {
  const production = {
    NODE_ENV: "production",
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(32),
    AUDIT_SIGNING_KEY: pkcs8("ed25519", "der"),
    PAIRING_PEPPER: "0".repeat(64)
  }

  it.effect.each([
    ["http://agents.example"],
    ["http://10.0.0.5:4100"],
    ["http://127.0.0.1.evil.example"],
    ["http://localhost.example"]
  ] as const)("refuses the public URL %s, over which tokens would be sent in the clear", ([url]) =>
    Effect.map(faultsOf({ ...production, NODEDC_AGENT_GATEWAY_PUBLIC_URL: url }), ({ faults }) => {
      assert.strictEqual(faults.length, 1)
      assert.strictEqual(faults[0]?.variable, "NODEDC_AGENT_GATEWAY_PUBLIC_URL")
    })
  )

  it.effect.each([
    ["http://127.0.0.1:4100"],
    ["http://localhost:4100"],
    ["http://[::1]:4100"],
    ["https://x.example"]
  ])("takes the public URL %s", ([url]) =>
    fromEnvironment({ ...production, NODEDC_AGENT_GATEWAY_PUBLIC_URL: url })
  )

  it.effect.each([
    ["0.0.0.0/0"],
    ["::/0"],
    ["0.0.0.0/1,128.0.0.0/1"],
    ["::ffff:0:0/96"],
    ["::/64"],
    ["10.0.0.1, 0.0.0.0/0"]
  ] as const)("refuses to trust %s, which would let strangers claim any address", ([networks]) =>
    Effect.map(faultsOf({ ...production, TRUSTED_PROXIES: networks }), ({ faults }) => {
      assert.strictEqual(faults.length, 1)
      assert.strictEqual(faults[0]?.variable, "TRUSTED_PROXIES")
    })
  )

  it.effect.each([
    ["10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"],
    ["fc00::/7"],
    ["::1"],
    ["::ffff:10.0.0.0/104"]
  ])("takes the proxies %s", ([networks]) => fromEnvironment({ ...production, TRUSTED_PROXIES: networks }))

  it.effect("demands 32 characters of the previous internal token too, and none where there is none", () =>
    Effect.gen(function* () {
      const NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN = "y".repeat(31)
      const { faults } = yield* faultsOf({ ...production, NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN })
      assert.deepStrictEqual(
        faults.map(({ variable }) => variable),
        ["NODEDC_AGENT_GATEWAY_PREVIOUS_INTERNAL_TOKEN"]
      )
      yield* fromEnvironment(production)
    })
  )
})

describe("lists of hosts and origins", () => {
  it.effect.each([
    ["null"],
    ["*"],
    ["board.example"],
    ["https://board.example/"],
    ["https://board.example/app"],
    ["https://board.example:443"],
    ["https://*.example"],
    ["https://user@board.example"],
    ["https://board.example, null"],
    ["file://"]
  ] as const)(
    "refuse the origin %s, which no browser sends or every sandboxed page does",
    ([ALLOWED_ORIGINS]) =>
      Effect.map(faultsOf({ ALLOWED_ORIGINS }), ({ faults }) =>
        assert.deepStrictEqual(
          faults.map(({ variable }) => variable),
          ["ALLOWED_ORIGINS"]
        )
      )
  )

  it.effect("take origins as browsers send them, in any case", () =>
    Effect.map(
      fromEnvironment({ ALLOWED_ORIGINS: "HTTPS://Board.example, http://localhost:5173,http://[::1]:3000" }),
      ({ allowedOrigins }) =>
        assert.deepStrictEqual(allowedOrigins, [
          "https://board.example",
          "http://localhost:5173",
          "http://[::1]:3000"
        ])
    )
  )

  it.effect.each([
    ["https://agents.example"],
    ["agents.example/x"],
    ["*.example"],
    ["agents.example:70000"],
    ["agents..example"],
    ["::1"],
    ["a b"]
  ] as const)("refuse the host %s", ([ALLOWED_HOSTS]) =>
    Effect.map(faultsOf({ ALLOWED_HOSTS }), ({ faults }) =>
      assert.deepStrictEqual(
        faults.map(({ variable }) => variable),
        ["ALLOWED_HOSTS"]
      )
    )
  )

  it.effect("take hosts with and without a port, and addresses", () =>
    Effect.map(
      fromEnvironment({ ALLOWED_HOSTS: "Agents.example,agent_gateway:4100,10.0.0.5:4100,[::1]:4100" }),
      ({ allowedHosts }) =>
        assert.deepStrictEqual(allowedHosts, [
          "agents.example",
          "agent_gateway:4100",
          "10.0.0.5:4100",
          "[::1]:4100"
        ])
    )
  )
})

describe("secrets of .env.example", () => {
  const example = parseEnv(readFileSync(".env.example", "utf8"))

  it.effect(
    "are refused beyond loopback unless HOST_BIND is loopback, each with the command that makes one",
    () =>
      Effect.gen(function* () {
        for (const HOST_BIND of ["", "0.0.0.0", "172.17.0.1", "192.168.1.2", "::"]) {
          const { faults, message } = yield* faultsOf({ ...example, HOST: "0.0.0.0", HOST_BIND })
          assert.deepStrictEqual(
            faults.map(({ variable, fault }) => [variable, /`(openssl [^`]+)`/.exec(fault)?.[1]]),
            [
              ["NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", "openssl rand -hex 32"],
              ["AUDIT_SIGNING_KEY", "openssl genpkey -algorithm ed25519 -outform DER | openssl base64 -A"],
              ["PAIRING_PEPPER", "openssl rand -base64 32"],
              ["NODEDC_INTERNAL_ACCESS_TOKEN", "openssl rand -hex 32"]
            ]
          )
          assert.notInclude(message, "replace-with-")
        }
        for (const HOST_BIND of ["127.0.0.1", "::1", "[::1]", "127.1.2.3"]) {
          const settings = yield* fromEnvironment({ ...example, HOST: "0.0.0.0", HOST_BIND })
          assert.strictEqual(settings.exampleValues.length, 4)
        }
        yield* fromEnvironment({ ...example, HOST: "127.0.0.1", HOST_BIND: "" })
      })
  )

  it.effect("are refused one by one: one's own beside them do not hide them", () =>
    Effect.map(
      faultsOf({ ...example, HOST: "0.0.0.0", HOST_BIND: "", PAIRING_PEPPER: "0".repeat(64) }),
      ({ faults }) =>
        assert.deepStrictEqual(
          faults.map(({ variable }) => variable),
          ["NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", "AUDIT_SIGNING_KEY", "NODEDC_INTERNAL_ACCESS_TOKEN"]
        )
    )
  )
})
