import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { asJson, asText, logger } from "../../src/layers/Logging.ts"

const secret = Redacted.value(fromBytes(new Uint8Array(32).fill(9)))

const logged = (render: typeof asJson, effect: Effect.Effect<unknown>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    return Effect.as(
      Effect.provide(effect, Logger.layer([logger(render, (line) => lines.push(line))])),
      lines
    )
  })

describe("the log", () => {
  it.effect("is one JSON object a line for programs", () =>
    Effect.gen(function* () {
      const [line] = yield* logged(
        asJson,
        Effect.logInfo("request", { status: 200 }).pipe(Effect.annotateLogs({ request_id: "r-1" }))
      )
      const { time, ...rest } = JSON.parse(line ?? "")
      assert.deepStrictEqual(rest, { level: "info", message: "request", request_id: "r-1", status: 200 })
      assert.match(time, /^\d{4}-\d\d-\d\dT/)
    })
  )

  it.effect("is one readable line for people, with a cause beneath it", () =>
    Effect.gen(function* () {
      const [line] = yield* logged(
        asText,
        Effect.flatMap(Effect.exit(Effect.die(new Error("broken"))), (exit) =>
          exit._tag === "Failure"
            ? Effect.logError("A request failed", exit.cause, { status: 500 })
            : Effect.void
        )
      )
      assert.match(line ?? "", /^\d\d:\d\d:\d\d\.\d{3} ERROR A request failed status=500\nError: broken/)
    })
  )

  it.effect("lets no token through, wherever it came from", () =>
    Effect.gen(function* () {
      const effect = Effect.logInfo(`a ${secret} b`, { deep: { [secret]: secret } }, new Error(secret)).pipe(
        Effect.annotateLogs({ path: `/x/${secret}` })
      )
      for (const render of [asJson, asText]) {
        const [line] = yield* logged(render, effect)
        assert.notInclude(line, secret)
        assert.include(line, "[secret]")
      }
    })
  )

  it.effect("keeps every entry on lines of its own", () =>
    Effect.map(logged(asJson, Effect.logInfo("one\ntwo", { path: "/a\nb" })), ([line]) =>
      assert.notInclude(line, "\n")
    )
  )
})
