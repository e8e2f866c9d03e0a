import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import * as fc from "fast-check"
import { clientNameOf } from "../../src/domain/ClientName.ts"
import { alphabet, fromBytes, hash, length, parse } from "../../src/domain/PairingCode.ts"

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
const codes = fc
  .array(fc.constantFrom(...alphabet), { minLength: length, maxLength: length })
  .map((letters) => letters.join(""))
const read = (text: string) => Option.getOrUndefined(Option.map(parse(text), Redacted.value))
const pepper = (fill: number) => Redacted.make(new Uint8Array(32).fill(fill))
const hashed = (text: string, fill: number) =>
  Buffer.from(hash(Option.getOrThrow(parse(text)), pepper(fill))).toString("hex")

describe("a pairing code", () => {
  it("is twelve letters that spell no word and look like no digit, in three groups", () => {
    assert.strictEqual(new Set(alphabet).size, 20)
    assert.notMatch(alphabet, /[AEIOUY0-9]/)
    fc.assert(
      fc.property(bytes, (random) => {
        const made = Option.map(fromBytes(random), Redacted.value)
        if (Option.isSome(made)) {
          assert.match(made.value, new RegExp(`^[${alphabet}]{4}-[${alphabet}]{4}-[${alphabet}]{4}$`))
          assert.strictEqual(read(made.value), made.value)
        }
      })
    )
  })

  it("has every letter from as many bytes as any other", () => {
    const counts = new Map<string, number>()
    for (let byte = 0; byte < 256; byte++) {
      const made = fromBytes(new Uint8Array(length).fill(byte))
      if (Option.isNone(made)) continue
      const letter = Redacted.value(made.value).charAt(0)
      counts.set(letter, (counts.get(letter) ?? 0) + 1)
    }
    assert.strictEqual(counts.size, 20)
    assert.deepStrictEqual([...new Set(counts.values())], [12])
  })

  it("is not made of too few fair bytes", () => {
    assert.isTrue(Option.isNone(fromBytes(new Uint8Array(32).fill(255))))
  })

  it("is read without regard to case and to what parts its letters", () => {
    const separators = fc.array(fc.constantFrom("", " ", "-", "–", "\u00A0", "\u200B", ".", "_", "\n"), {
      minLength: length,
      maxLength: length
    })
    const cases = fc.array(fc.boolean(), { minLength: length, maxLength: length })
    fc.assert(
      fc.property(codes, separators, cases, (code, between, lower) => {
        const typed = [...code]
          .map((letter, n) => (lower[n] ? letter.toLowerCase() : letter) + between[n])
          .join("")
        assert.strictEqual(read(typed)?.replaceAll("-", ""), code)
      })
    )
  })

  it.each([
    "",
    "BCDF-GHJK-LMN",
    "BCDF-GHJK-LMNPQ",
    "ABCD-FGHJ-KLMN",
    "BCDF-GHJK-LMN0",
    "BCDFGHJKLMN\u017F",
    "\u212ABCDFGHJLMNP",
    "ВCDF-GHJK-LMNP",
    `${" ".repeat(60)}BCDF-GHJK-LMNP`
  ])("is not read into %j", (text) => {
    assert.isUndefined(read(text))
  })

  it("has a hash that only the pepper makes, the same however it was typed", () => {
    assert.strictEqual(hashed("bcdfghjklmnp", 1), hashed("BCDF-GHJK-LMNP", 1))
    assert.notStrictEqual(hashed("BCDF-GHJK-LMNP", 1), hashed("BCDF-GHJK-LMNP", 2))
    assert.notStrictEqual(hashed("BCDF-GHJK-LMNP", 1), hashed("BCDF-GHJK-LMNQ", 1))
    assert.lengthOf(hashed("BCDF-GHJK-LMNP", 1), 64)
  })

  it("does not show itself where it is printed", () => {
    const code = Option.getOrThrow(parse("BCDF-GHJK-LMNP"))
    assert.notInclude(`${String(code)} ${JSON.stringify(code)}`, "BCDF")
  })
})

describe("a client's name", () => {
  it("is one line of at most 128 characters that can all be seen, or none", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 160 }), (text) => {
        const name = clientNameOf(text)
        if (name === undefined) return
        assert.isTrue(name.isWellFormed())
        assert.isAtMost([...name].length, 128)
        assert.notMatch(name, /[\p{Cc}\u2066-\u2069\u202A-\u202E\u2028\u2029]/u)
        assert.strictEqual(name, name.trim())
      })
    )
  })

  it("keeps what a person wrote", () => {
    assert.strictEqual(clientNameOf("  Анна’s laptop \n 2 "), "Анна’s laptop 2")
    assert.strictEqual(clientNameOf("evil\u202Ecod\u0000e\u200B"), "evilcode")
    assert.isUndefined(clientNameOf("\u200B\u202E \n"))
  })
})
