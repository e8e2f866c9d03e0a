import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import { readValue } from "../../src/layers/tasker/taskerAnswers.ts"
import { byRow, parsedAtOnce } from "../../src/layers/tasker/taskerRows.ts"

const succeed = (value: unknown): Result.Result<unknown, string> => Result.succeed(value)

/** Reads rows of any form, as lists of cards are read. */
const anyRows = {
  decode: succeed,
  byRow: byRow("results", succeed, succeed, (rows, rest): unknown => ({ ...(rest as object), results: rows }))
}

const replyOf = (text: string | Uint8Array) => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: typeof text === "string" ? Buffer.from(text) : text,
  sentAt: 0n
})

/** Long enough to be read in slices. */
const padding = "x".repeat(parsedAtOnce)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return "no JSON"
  }
}

describe("A long reply that is read row by row", () => {
  const json = fc.jsonValue({ maxDepth: 3 })
  const space = fc.constantFrom("", " ", "\n\t ")

  it("is the value that it is when it is parsed at once", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(json, { maxLength: 8 }),
        fc.dictionary(fc.string(), json, { maxKeys: 4 }),
        space,
        fc.boolean(),
        async (rows, rest, gap, first) => {
          const results = `"results":${gap}[${gap}${rows.map((row) => JSON.stringify(row)).join(`${gap},${gap}`)}${gap}]`
          const others = Object.entries({ ...rest, padding })
            .filter(([name]) => name !== "results")
            .map(([name, value]) => `${JSON.stringify(name)}${gap}:${JSON.stringify(value)}`)
          const text = `{${(first ? [results, ...others] : [...others, results]).join(",")}}`
          const value = await Effect.runPromise(readValue(replyOf(text), anyRows))
          assert.deepStrictEqual(value, Result.succeed(JSON.parse(text)))
        }
      )
    ))

  it.effect("has the last of several arrays under one key, as when it is parsed at once", () =>
    Effect.gen(function* () {
      const text = `{"results":[1,2],"padding":"${padding}","results":[3]}`
      assert.deepStrictEqual(yield* readValue(replyOf(text), anyRows), Result.succeed(JSON.parse(text)))
    })
  )

  it("is refused if and only if it is no JSON, wherever it is broken", () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(400),
        fc.constantFrom("", ",", "[", "]", "{", "}", '"', "\\", ":", "1", "\u0001"),
        fc.boolean(),
        async (at, sign, replaces) => {
          const row = (id: number) => ({ id, text: `a "quoted" \\ text, [${id}]`, more: [1, {}] })
          const whole = JSON.stringify({ results: [0, 1, 2, 3, 4].map(row), next_cursor: null, padding })
          const broken = whole.slice(0, at) + sign + whole.slice(at + (replaces ? 1 : 0))
          const value = await Effect.runPromise(readValue(replyOf(broken), anyRows))
          assert.deepStrictEqual(
            Result.getOrElse(value, () => "no JSON" as unknown),
            parsed(broken)
          )
        }
      ),
      { numRuns: 500 }
    ))

  it.effect("is refused if it is not UTF-8", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(JSON.stringify({ results: ["a", "bad"], padding }))
      bytes[bytes.indexOf("bad")] = 0xff
      assert.isTrue(Result.isFailure(yield* readValue(replyOf(bytes), anyRows)))
    })
  )

  it.live("lets other fibers run between slices of 8 MiB", () =>
    Effect.gen(function* () {
      const row = { id: "card", description_html: "Text ".repeat(800) }
      const text = JSON.stringify({ results: Array.from({ length: 2000 }, () => row) })
      assert.isAbove(text.length, 7 * 1024 * 1024)
      let turns = 0
      const ticking = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => turns++),
            Effect.yieldNow
          )
        )
      )
      const value = yield* readValue(replyOf(text), anyRows)
      ticking.interruptUnsafe()
      assert.isTrue(Result.isSuccess(value))
      // 60 slices of 128 KiB, each scanned and parsed apart; a turn of the other fiber takes two of them.
      assert.isAbove(turns, 40)
    })
  )
})
