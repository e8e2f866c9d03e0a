import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import { fromEnvironment, variables } from "../../src/Config.ts"

const secret = "s3cr3t-that-must-never-be-shown"

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
      const short = { NODE_ENV: "production", NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(31) }
      assert.include((yield* faultsOf(short)).message, "32 characters or more")
      const settings = yield* fromEnvironment({
        ...short,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "x".repeat(32)
      })
      assert.strictEqual(Option.getOrThrow(settings.publicUrl), "https://ops-agents.nodedc.ru")
    })
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
