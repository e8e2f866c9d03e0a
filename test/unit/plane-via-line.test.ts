import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { withoutVia, withVia } from "../../src/layers/plane/viaLine.ts"
import { htmlToMarkdown } from "../../src/text/Markdown.ts"

const htmls = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "<p>text</p>", "<p>via me</p>", "<p>a</p><p>via me</p>\n", "<p>via <b>x</b></p>")
)

describe("the line that names an agent", () => {
  it("removing the line gives back the comment as it was, whatever the comment and the name are", () => {
    fc.assert(
      fc.property(htmls, fc.string({ unit: "binary" }), (html, name) => {
        assert.strictEqual(withoutVia(withVia(html, name)), html)
      })
    )
  })

  it("a name stays text, in one line of at most 80 characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
        const [, line = ""] = /^<p>via ([^<>]*)<\/p>$/.exec(withVia("", name)) ?? []
        assert.notStrictEqual(line, "")
        const shown = line
          .replaceAll("&lt;", "<")
          .replaceAll("&gt;", ">")
          .replaceAll("&quot;", '"')
          .replaceAll("&amp;", "&")
        assert.isAtMost([...shown].length, 80)
        assert.notMatch(line, /[\r\n\t\u202e\u200b]/)
      })
    )
  })

  it("a person who reads the comment sees who wrote it", () => {
    assert.match(
      htmlToMarkdown(withVia("<p>Done</p>", "Codex <of> Ivan")),
      /^Done\n\nvia Codex \\?<of\\?> Ivan$/
    )
  })

  it("a line that Plane's editor gave attributes is removed as well", () => {
    assert.strictEqual(
      withoutVia('<p class="editor-paragraph-block">Done</p><p class="editor-paragraph-block">via Codex</p>'),
      '<p class="editor-paragraph-block">Done</p>'
    )
  })

  it("only the last line is removed", () => {
    assert.strictEqual(withoutVia("<p>via a</p><p>via b</p>"), "<p>via a</p>")
    assert.strictEqual(withoutVia("<p>via a</p><p>text</p>"), "<p>via a</p><p>text</p>")
  })
})
