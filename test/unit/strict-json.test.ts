import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { maxDepth, parseStrict } from "../../src/http/StrictJson.ts"
import { cpuMillis } from "../support/cpu.ts"

const refusal = (text: string): string => {
  const parsed = parseStrict(text)
  assert.isTrue(Result.isFailure(parsed), `${text.slice(0, 80)} was taken`)
  return Result.isFailure(parsed) ? parsed.failure : ""
}

/** Values that say the same to every reader. */
const admissible = (value: unknown): boolean => {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0")
  if (typeof value !== "object" || value === null) return true
  return Object.entries(value).every(
    ([key, item]) => key !== "__proto__" && admissible(key) && admissible(item)
  )
}

describe("strict JSON", () => {
  it("reads whatever JSON.parse reads, and reads it alike", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8, stringUnit: "binary" }), fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const parsed = parseStrict(text)
        assert.strictEqual(Result.isSuccess(parsed), admissible(value))
        if (Result.isSuccess(parsed)) assert.deepStrictEqual(parsed.success, JSON.parse(text))
      }),
      { numRuns: 2000 }
    )
  })

  it("takes no text that JSON.parse does not take", () => {
    const pieces = fc.constantFrom(
      ...'{}[]",:\\ \n0123456789-+.eEtruefalsn',
      '"a"',
      "null",
      "true",
      "\\u0061",
      '":',
      "1e5"
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 24 }), (parts) => {
        const text = parts.join("")
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          refusal(text)
          return
        }
        const parsed = parseStrict(text)
        if (Result.isSuccess(parsed)) assert.deepStrictEqual(parsed.success, expected)
      }),
      { numRuns: 20_000 }
    )
  })

  it("refuses a key that stands twice in an object, however it is written and wherever it stands", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.jsonValue({ maxDepth: 2 }),
        fc.boolean(),
        (key, value, escaped) => {
          fc.pre(admissible(value) && admissible(key) && key !== "__proto__")
          const plain = JSON.stringify(key)
          const other = escaped
            ? `"${[...key].flatMap((c) => Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`)).join("")}"`
            : plain
          const text = `[{"a":[{${plain}:${JSON.stringify(value)},${other}:1}]}]`
          assert.match(refusal(text), /same key twice, line 1, column \d+/)
        }
      )
    )
  })

  it("lets one key stand in several objects", () => {
    assert.deepStrictEqual(
      parseStrict('{"a":{"a":[{"a":1},{"a":2}]},"b":"\\"a\\":1,"}'),
      Result.succeed(JSON.parse('{"a":{"a":[{"a":1},{"a":2}]},"b":"\\"a\\":1,"}'))
    )
  })

  it("refuses __proto__, NUL, lone surrogates and numbers without bound, as keys and as values", () => {
    assert.include(refusal('{"__proto__":{}}'), "__proto__")
    assert.include(refusal('{"\\u005f_proto__":{}}'), "__proto__")
    assert.include(refusal('{"a":"\\u0000"}'), "NUL")
    assert.include(refusal('{"\\u0000":1}'), "NUL")
    assert.include(refusal('["\\ud800"]'), "surrogate")
    assert.include(refusal('{"\\udc00":1}'), "surrogate")
    assert.include(refusal('"\ud800"'), "surrogate")
    assert.include(refusal("[1e999]"), "number")
    assert.isTrue(Result.isSuccess(parseStrict('["\\ud83d\\ude00", "constructor", {"toString": 1}]')))
  })

  it("refuses two values, an empty text, a byte order mark and what ends too early, and says where", () => {
    assert.include(refusal('{"a":1} {"b":2}'), "line 1, column 9")
    assert.include(refusal("[1,\n2,,]"), "line 2, column 3")
    assert.include(refusal(" \n"), "empty")
    assert.include(refusal("\ufeff{}"), "line 1, column 1")
    assert.include(refusal('{"a":"b'), "ends too early")
    assert.include(refusal('{"a":'), "ends too early")
  })

  it("never repeats what was sent", () => {
    const secret = "ndcat_secret"
    for (const text of [
      `{"${secret}":1,"${secret}":2}`,
      `{"a":${secret}}`,
      `${secret}`,
      `["${secret}\\u0000"]`,
      `"${secret}`
    ]) {
      assert.notInclude(refusal(text), secret)
    }
  })

  it("refuses deep nesting in no time, closed or not", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
    assert.isTrue(Result.isSuccess(parseStrict(nested(maxDepth))))
    assert.include(refusal(nested(maxDepth + 1)), "nests deeper")
    const millis = cpuMillis(() => {
      refusal("[".repeat(100_000))
      refusal('{"a":'.repeat(50_000))
      refusal(`"${"\\".repeat(200_000)}`)
      refusal(`${"[1,".repeat(60)}${"1,".repeat(100_000)},`)
    })
    assert.isBelow(millis, 1000)
  })
})
