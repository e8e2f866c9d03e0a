import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { passesFilters } from "../../src/domain/IssueFilters.ts"
import { titleHash } from "../../src/domain/Repetition.ts"
import type { TaskerIssue } from "../../src/domain/Tasker.ts"
import { htmlToMarkdown, markdownToHtml } from "../../src/text/Markdown.ts"
import { boundsUsed } from "../../src/text/MarkdownBounds.ts"
import { normalForm } from "../../src/text/normalForm.ts"
import { sameName, sameText } from "../../src/text/sameText.ts"
import { cpuMillis } from "../support/cpu.ts"

/** Several times what was measured for the longest text; the square of it is a hundred times more. */
const linear = 1000

/** Combining marks in an order that is not canonical. */
const marks = (length: number) => `a${"\u0301\u0316".repeat(length / 2)}`

describe("a text of 200,000 combining marks in disorder", () => {
  const text = marks(200_000)

  it("is compared as a card's text in linear time", () => {
    assert.isBelow(
      cpuMillis(() => sameText(`<p>${text}</p>`, `<p>${text}b</p>`)),
      linear
    )
  })

  it("is compared as a card's name in linear time", () => {
    assert.isBelow(
      cpuMillis(() => sameName(text, `${text}b`)),
      linear
    )
  })

  it("is searched as a card's description in linear time", () => {
    const card = { name: "a", identifier: "A-1", description_html: text } as TaskerIssue
    assert.isBelow(
      cpuMillis(() => passesFilters(card, { search: "b" })),
      linear
    )
  })

  it("is hashed as a title in linear time", () => {
    assert.isBelow(
      cpuMillis(() => titleHash(text)),
      linear
    )
  })
})

describe("a normal form", () => {
  const forms = ["NFC", "NFKC"] as const
  const longRun = /\p{M}{30}/u

  it("is Unicode's own for a text without thirty marks in a row", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom(...forms), (text, form) => {
        fc.pre(!longRun.test(text))
        assert.strictEqual(normalForm(text, form), text.normalize(form))
      })
    )
  })

  it("is one for two spellings of one letter with a mark, after any number of marks", () => {
    for (const form of forms) {
      const after = "a\u0316".repeat(40)
      assert.strictEqual(normalForm(`${after}e\u0301`, form), normalForm(`${after}\u00e9`, form))
    }
  })
})

describe("a bare address followed by a row of signs and a letter", () => {
  it("is converted in linear time, or is beyond the bounds", () => {
    for (const start of ["http://a.b/", "www.a.b/"]) {
      for (const sign of "!\"'),.:;<?_~*&]") {
        const text = `${start}${sign.repeat(30_000)}a`
        assert.isBelow(
          cpuMillis(() => markdownToHtml(text)),
          linear,
          JSON.stringify(start + sign)
        )
      }
    }
  })

  it("keeps its link with the three full stops and the dotted lines that people write", () => {
    const text = `See http://a.b/c... and "www.d.e", then ${".".repeat(200)} 5`
    assert.isBelow(boundsUsed(text), 0.1)
    assert.include(markdownToHtml(text), '<a href="http://a.b/c">http://a.b/c</a>...')
  })
})

describe("a code block of 300,000 newlines between two letters", () => {
  it("is read in linear time", () => {
    assert.isBelow(
      cpuMillis(() => htmlToMarkdown(`<pre>a${"\n".repeat(300_000)}b</pre>`)),
      linear
    )
  })

  it("loses the newlines around its code and none within", () => {
    assert.strictEqual(htmlToMarkdown("<pre>\n\n\na\n\n\nb\n\n</pre>"), "```\na\n\n\nb\n```")
  })
})
