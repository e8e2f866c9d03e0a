import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { defuseName, longestName } from "../../src/text/DefusedName.ts"

const text = (sent: string) => defuseName(sent).text
const marks = (sent: string) => defuseName(sent).marks

const graphemes = (name: string) => [...new Intl.Segmenter("en").segment(name)].length

/** Any text, with what names are dressed up with more often than chance would have it. */
const names = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(
        ..."Codex Кодекс Cоdex \u202e \u200b \u2066 \u00ad \ufeff \u0301 \u2800 \u{e0041} \ud800 \n < & ' …".split(
          " "
        ),
        " "
      )
    ),
    { maxLength: 12 }
  )
  .map((parts) => parts.join(""))

describe("a name that a stranger chose", () => {
  it("never holds what can't be seen, turns text around or breaks the line", () => {
    fc.assert(
      fc.property(names, (sent) => {
        const shown = text(sent)
        assert.notMatch(
          shown,
          /\p{Cc}|\p{Bidi_Control}|\p{Zl}|\p{Zp}|\p{Cs}|[\u200b\u2060\ufeff\u00ad\u2800]/u
        )
        assert.strictEqual(shown, shown.trim())
        assert.isTrue(shown.isWellFormed())
      })
    )
  })

  it("is no longer than is said, however it is counted, and ends in … where it was cut", () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 40 }), (sent, longest) => {
        const { marks: found, text: shown } = defuseName(sent, longest)
        assert.isAtMost(graphemes(shown), longest)
        assert.isAtMost(shown.length, longest * 8 + 1)
        if (found.includes("cut")) assert.match(shown, /…$/)
      })
    )
  })

  it("stays as it is when it is made harmless again", () => {
    fc.assert(
      fc.property(names, (sent) => {
        const once = text(sent)
        assert.strictEqual(text(once), once)
        assert.notInclude(marks(once), "stripped")
        assert.notInclude(marks(once), "cut")
      })
    )
  })

  it("is left alone and unmarked where it is a plain word of any language", () => {
    const plain = [
      "Codex",
      "Claude Code",
      "GPT-5.2 (beta)",
      "Кодекс",
      "Codex для Tasker",
      "Straße",
      "Łódź",
      "İstanbul"
    ]
    const more = [
      "Ελληνικά",
      "עברית",
      "العربية",
      "हिन्दी",
      "日本語のツール",
      "LINEアプリ",
      "한국어",
      "ไทย",
      "Հայերեն",
      "п’ять"
    ]
    for (const name of [...plain, ...more, "👩🏽‍💻 Codex", "❤️"]) {
      assert.deepStrictEqual(defuseName(name), { text: name, marks: [] }, name)
    }
  })

  it("says that hidden characters were taken out", () => {
    assert.deepStrictEqual(defuseName("Co\u200bdex"), { text: "Codex", marks: ["stripped"] })
    assert.deepStrictEqual(defuseName("Codex\u202egpj.exe"), { text: "Codexgpj.exe", marks: ["stripped"] })
    assert.deepStrictEqual(defuseName("Codex\u{e0049}\u{e0047}"), { text: "Codex", marks: ["stripped"] })
  })

  it("says that a word mixes alphabets, and shows it as it was sent", () => {
    for (const sent of ["Cоdex", "Соdex", "Ρaypal", "Cod℮x Сodex"]) {
      assert.include(marks(sent), "mixed_scripts", sent)
      assert.strictEqual(text(sent), sent)
    }
  })

  it("says that letters only look Latin: of one other alphabet, styled, phonetic or of a rare script", () => {
    for (const sent of ["Соԁех", "ΑΡΡΙΕ", "𝐂𝐨𝐝𝐞𝐱", "Ｃｏｄｅｘ", "ᴄᴏᴅᴇx", "ꓚꓳꓓꓰ", "Ⓒodex", "ᏟᎾᎠᎬ"]) {
      assert.include(marks(sent), "lookalike", sent)
      assert.strictEqual(text(sent), sent)
    }
  })

  it("does not call a Russian name a look-alike that has a letter of its own, or is short", () => {
    for (const sent of ["Сбер", "Помощник с доской", "Хаос и порядок", "Оса и рой", "Ау"]) {
      assert.deepStrictEqual(marks(sent), [], sent)
    }
    assert.deepStrictEqual(marks("Хаос"), ["lookalike"])
  })

  it("does not let accents climb over its neighbours or sit on the page's own text", () => {
    assert.strictEqual(text(`o${"\u0334".repeat(40)}`), "o\u0334\u0334\u0334")
    assert.strictEqual(text("\u0301\u0302Codex"), "Codex")
  })

  it("is empty where there is nothing to be seen", () => {
    for (const sent of ["", " ", "\u200b\u200b", "\u2800\u3164", "\n\t"])
      assert.strictEqual(text(sent), "", sent)
  })

  it("takes no longer for a long one", () => {
    const { marks: found, text: shown } = defuseName(`${"a".repeat(longestName)}${"é".repeat(500_000)}`)
    assert.strictEqual(graphemes(shown), longestName)
    assert.deepStrictEqual(found, ["cut"])
  })
})
