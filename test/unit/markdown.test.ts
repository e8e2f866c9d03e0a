import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as TextsLive from "../../src/layers/texts/TextsLive.ts"
import { htmlToMarkdown, markdownToHtml, unrepresentable } from "../../src/text/Markdown.ts"
import { rendered } from "../../src/tools/fields.ts"
import { htmlHeap, markdownHeap, markdownTree } from "../support/markdownArbitraries.ts"

/** Written, and read back. */
const roundTrip = (markdown: string) => htmlToMarkdown(markdownToHtml(markdown))

const writesAs = (markdown: string, html: string) => assert.strictEqual(markdownToHtml(markdown), html)

/** `expected` is also what is read after it was written again. */
const readsAs = (html: string, expected: string) => {
  assert.strictEqual(htmlToMarkdown(html), expected)
  assert.strictEqual(roundTrip(expected), expected)
}

describe("Markdown on its way to Tasker", () => {
  it("carries headings, emphasis, code, quotes and rules", () => {
    writesAs(
      "# One\n\n###### Six\n\n*a* **b** ***c*** ~~d~~ `e < f`\n\n> q\n\n---",
      "<h1>One</h1><h6>Six</h6><p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> <del>d</del> " +
        "<code>e &#x3C; f</code></p><blockquote><p>q</p></blockquote><hr>"
    )
  })

  it("makes a newline a space and a hard break a break, by either spelling", () => {
    writesAs("a\nb\\\nc  \nd", "<p>a b<br>c<br>d</p>")
  })

  it("writes a task list as Tasker's editor does, with its state", () => {
    writesAs(
      "- [x] done\n- [ ] open",
      '<ul data-type="taskList">' +
        '<li data-type="taskItem" data-checked="true"><label><input type="checkbox" checked><span></span></label>' +
        "<div><p>done</p></div></li>" +
        '<li data-type="taskItem" data-checked="false"><label><input type="checkbox"><span></span></label>' +
        "<div><p>open</p></div></li></ul>"
    )
  })

  it("parts a list of tasks and of others, since Tasker's task list holds tasks only", () => {
    assert.strictEqual(roundTrip("- a\n- [x] b\n- c"), "- a\n\n* [x] b\n\n- c")
  })

  it("keeps a box in a numbered list as text, since Tasker has no numbered tasks", () => {
    writesAs("2. [x] a", '<ol start="2"><li><p>[x] a</p></li></ol>')
  })

  it("nests lists and writes loose and tight ones alike", () => {
    const html = "<ul><li><p>a</p><ol><li><p>b</p></li></ol></li><li><p>c</p></li></ul>"
    writesAs("- a\n  1. b\n- c", html)
    writesAs("- a\n\n  1. b\n\n- c", html)
  })

  it("keeps a table's alignment and pipes in its cells", () => {
    writesAs(
      "| a | b | c |\n|:--|:-:|--:|\n| 1 \\| 2 | **x** | |",
      '<table><thead><tr><th align="left">a</th><th align="center">b</th><th align="right">c</th></tr></thead>' +
        '<tbody><tr><td align="left">1 | 2</td><td align="center"><strong>x</strong></td><td align="right"></td>' +
        "</tr></tbody></table>"
    )
  })

  it("names a fence's language in a class and adds no newline to the code", () => {
    writesAs("```ts title=x\nlet a\n\n  b\n```", '<pre><code class="language-ts">let a\n\n  b</code></pre>')
  })

  it("shows raw HTML as the text it is", () => {
    writesAs("a <b>c</b> <!-- d -->", "<p>a &#x3C;b>c&#x3C;/b> &#x3C;!-- d --></p>")
    writesAs("<div>\n*a*\n</div>", "<p>&#x3C;div> <em>a</em> &#x3C;/div></p>")
  })

  it("links http, https and mailto with their titles, written out, in brackets or bare", () => {
    writesAs(
      '[a](http://b.c "d \\"e\\"") <https://f.g> www.h.i j@k.lm',
      '<p><a href="http://b.c" title="d &#x22;e&#x22;">a</a> <a href="https://f.g">https://f.g</a> ' +
        '<a href="http://www.h.i">www.h.i</a> <a href="mailto:j@k.lm">j@k.lm</a></p>'
    )
  })

  it("puts the targets of reference links where they are used", () => {
    writesAs("[a][r] [R]\n\n[r]: http://b.c", '<p><a href="http://b.c">a</a> <a href="http://b.c">R</a></p>')
  })

  it("makes a picture a link to it, which nobody's program fetches unasked", () => {
    writesAs("![alt](https://a.b/c.png)", '<p><a href="https://a.b/c.png">alt</a></p>')
    writesAs("![](https://a.b/c.png)", '<p><a href="https://a.b/c.png">https://a.b/c.png</a></p>')
  })

  it("shows a relative address beside its words and leaves out one with another scheme", () => {
    writesAs("[spec](docs/spec.md) [x](javascript:alert(1))", "<p>spec (docs/spec.md) x</p>")
  })

  it("keeps footnotes as they were written", () => {
    writesAs("a[^1]\n\n[^1]: the note", "<p>a[^1]</p><p>[^1]: the note</p>")
  })

  it("strips invisible characters, also those written as references", () => {
    writesAs("a\u200bb\u202ec &#x202e;d&#xE0041;e", "<p>abc de</p>")
  })

  it("turns nothing into an empty paragraph, since Plane refuses HTML without an element", () => {
    for (const empty of ["", " ", "\n\n", "\u200b", "&#x200b;"]) writesAs(empty, "<p></p>")
  })

  it.effect("the empty description of a card is an empty paragraph", () =>
    Effect.gen(function* () {
      const { short: texts } = yield* TextsLive.make()
      assert.strictEqual(yield* rendered("description", "", texts), "<p></p>")
    })
  )

  it("is HTML with an element in it, whatever was asked", () => {
    fc.assert(
      fc.property(fc.oneof(markdownHeap, fc.string()), (markdown) => {
        assert.match(markdownToHtml(markdown), /<\w/)
      })
    )
  })
})

describe("Tasker's HTML on its way to an agent", () => {
  it("reads the editor's paragraphs and lists", () => {
    readsAs(
      '<p class="editor-paragraph-block">a <strong>b</strong><br>c</p><ul class="list-disc"><li><p>d</p><ul><li><p>e</p></li></ul></li></ul>' +
        '<ol start="3"><li><p>f</p></li><li><p>g</p></li></ol>',
      "a **b**\\\nc\n\n- d\n  - e\n\n3. f\n4. g"
    )
  })

  it("reads the editor's task lists, nested ones too", () => {
    const box = (checked: boolean) =>
      `<label><input type="checkbox"${checked ? ' checked="checked"' : ""}><span></span></label>`
    readsAs(
      `<ul class="not-prose" data-type="taskList"><li data-checked="true" data-type="taskItem">${box(true)}<div><p>a</p>` +
        `<ul data-type="taskList"><li data-checked="false" data-type="taskItem">${box(false)}<div><p>b</p></div></li></ul>` +
        "</div></li></ul>",
      "- [x] a\n  - [ ] b"
    )
  })

  it("reads task lists of GFM's own HTML", () => {
    readsAs(
      '<ul><li><input type="checkbox" disabled checked> a</li><li><p><input type="checkbox" disabled> b</p></li></ul>',
      "- [x] a\n- [ ] b"
    )
  })

  it("reads code blocks to the letter", () => {
    readsAs(
      '<pre class=""><code class="language-ts">if (a &lt; b) {\n\n  `c`\n}</code></pre>',
      "```ts\nif (a < b) {\n\n  `c`\n}\n```"
    )
    readsAs("<pre><code>```\na\n```</code></pre>", "````\n```\na\n```\n````")
  })

  it("reads the editor's tables, whose cells hold paragraphs", () => {
    readsAs(
      '<table><tbody><tr><th colspan="1"><p>a</p></th><th align="right"><p>b|c</p></th></tr>' +
        "<tr><td><p>d</p><p>e</p></td><td><ul><li><p>f</p></li></ul></td></tr></tbody></table>",
      "| a | b\\|c |\n| - | -: |\n| d e | f |"
    )
  })

  it("gives a table without a header an empty one and a merged cell the columns it covers", () => {
    readsAs(
      '<table><tbody><tr><td colspan="2">a</td><td>b</td></tr><tr><td rowspan="2">c</td><td>d</td><td>e</td></tr>' +
        "<tr><td>f</td><td>g</td></tr></tbody></table>",
      "| | | |\n| - | - | - |\n| a | | b |\n| c | d | e |\n| | f | g |"
    )
  })

  it("reads what Markdown can't hold as words in its place", () => {
    readsAs(
      '<p>cc <mention-component id="1" entity_identifier="u-1" entity_name="user_mention"></mention-component> and ' +
        '<mention-component label="Ann"></mention-component></p><image-component src="9a1c" id="2"></image-component>' +
        '<img src="https://a.b/c.png" alt="shot"><issue-embed-component entity_identifier="i-1"></issue-embed-component>' +
        '<iframe src="https://a.b/v"></iframe>',
      "cc @u-1 and @Ann\n\n(image)\n\n[shot](https://a.b/c.png)\n\n(embed: i-1)\n\n[embed](https://a.b/v)"
    )
  })

  it("reads every spelling of an empty text as nothing", () => {
    for (const empty of [
      "",
      null,
      "<p></p>",
      '<p class="x"></p>',
      "<div><p></p></div>",
      "<p><br></p>",
      "<p>&nbsp;</p>"
    ]) {
      assert.strictEqual(htmlToMarkdown(empty), "")
    }
  })

  it("names a person whom it mentions by an id if the caller knows the name", () => {
    const mention = (id: string) =>
      `<mention-component id="1" entity_identifier="${id}" entity_name="user_mention"></mention-component>`
    const nameOf = (id: string) => ({ "u-1": "Ann *Lee*" })[id]
    assert.strictEqual(
      htmlToMarkdown(`<p>cc ${mention("u-1")} ${mention("u-2")}</p>`, { nameOf }),
      "cc @Ann \\*Lee\\* @u-2"
    )
  })

  it("reads a callout as a quote", () => {
    readsAs(
      '<p>a</p><div data-block-type="callout-component" data-logo-in-use="emoji"><p>b</p><ul><li><p>c</p></li></ul></div>',
      "a\n\n> b\n>\n> - c"
    )
  })

  it("escapes what would be Markdown by accident", () => {
    for (const text of [
      "1. a",
      "# a",
      "*a* _b_",
      "a_b_c",
      "[a](b)",
      "- a",
      "> a",
      "`a`",
      "~~a~~",
      "a | b",
      "<b>",
      "&amp;",
      "+ a",
      "---",
      "\\*"
    ]) {
      const html = `<p>${text.replaceAll("&", "&#x26;").replaceAll("<", "&#x3C;")}</p>`
      assert.strictEqual(markdownToHtml(htmlToMarkdown(html)), html)
    }
  })

  it("reads marks around blocks, blocks inside paragraphs and unknown elements by their words", () => {
    readsAs("<b><p>a</p><p>b</p></b>", "**a**\n\n**b**")
    readsAs("<section><article>a</article><article>b <u>c</u></article></section>", "a\n\nb c")
    readsAs('<a href="https://a.b"><h2>c</h2></a>', "## [c](https://a.b)")
  })

  it("keeps the space between words where a mark ends in one that does not break", () => {
    readsAs("<p>a<b>&nbsp;b&nbsp;</b>c</p>", "a **b** c")
  })

  it("strips invisible characters and keeps Cyrillic, emoji and the joiners inside them", () => {
    readsAs(
      "<p>При\u00adвет\u200b \u202eмир\u202c 👩\u200d👩\u200d👧 ❤\ufe0f</p>",
      "Привет мир 👩\u200d👩\u200d👧 ❤\ufe0f"
    )
  })
})

describe("what Markdown can't carry back", () => {
  it("is named, sorted and each once", () => {
    assert.deepStrictEqual(
      unrepresentable(
        "<mention-component></mention-component><mention-component/><IMG src=x><image-component></image-component>" +
          "<video></video><issue-embed-component/><attachment-component></attachment-component>"
      ),
      ["attachment", "embed", "image", "mention"]
    )
  })

  it("is found by data-type, in a drawing and in a component that nobody knows yet", () => {
    assert.deepStrictEqual(unrepresentable('<div data-type="attachment-component"></div>'), ["attachment"])
    assert.deepStrictEqual(unrepresentable("<svg><path/></svg>"), ["image"])
    assert.deepStrictEqual(unrepresentable("<whiteboard-component></whiteboard-component>"), ["embed"])
  })

  it("is a callout, found by its block type", () => {
    assert.deepStrictEqual(
      unrepresentable('<div data-emoji-unicode="128161" data-block-type="callout-component"><p>a</p></div>'),
      ["callout"]
    )
  })

  it("is a cell of a table with more than a line of words", () => {
    const kindsOf = (cell: string) =>
      unrepresentable(`<p>a</p><table><tr><td>${cell}</td><td><p>z</p></td></tr></table><p>b</p>`)
    for (const cell of [
      "<p>a</p><p>b</p>",
      "a<br>b",
      "<p>a</p>b",
      "<ul><li><p>a</p></li></ul>",
      "<h2>a</h2>",
      "<blockquote><p>a</p></blockquote>",
      "<pre><code>a</code></pre>"
    ]) {
      assert.deepStrictEqual(kindsOf(cell), ["multi-line table cell"], cell)
    }
    for (const cell of [
      "",
      "a <b>b</b>",
      "<p>a <code>b</code></p>",
      "<div>\n<p>a</p>\n</div>",
      "<p>a<br></p>",
      "<p>a</p><p>&nbsp;</p>",
      "<p></p><p>a</p>"
    ]) {
      assert.deepStrictEqual(kindsOf(cell), [], cell)
    }
  })

  it("is not seen in text, comments, attributes and code", () => {
    const html =
      '<p title="<img>">&lt;img> <!-- <img> --></p><pre><code>&lt;iframe></code></pre><script>"<img>"</script>'
    assert.deepStrictEqual(unrepresentable(html), [])
  })

  it("is nothing where the gateway wrote the text itself", () => {
    fc.assert(
      fc.property(markdownTree, (markdown) =>
        assert.deepStrictEqual(unrepresentable(markdownToHtml(markdown)), [])
      )
    )
  })
})

describe("round trips", () => {
  const isStable = (markdown: string) => {
    const html = markdownToHtml(markdown)
    assert.strictEqual(markdownToHtml(htmlToMarkdown(html)), html)
  }

  it("keep the meaning of any document of GFM", () => {
    fc.assert(fc.property(markdownTree, isStable), { numRuns: 200 })
  })

  it("keep the meaning of any heap of Markdown's pieces", () => {
    fc.assert(fc.property(markdownHeap, isStable), { numRuns: 300 })
  })

  it("keep the meaning of any string", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), isStable), { numRuns: 300 })
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), isStable), { numRuns: 300 })
  })

  it("change nothing more the second time, wherever the text came from", () => {
    fc.assert(
      fc.property(htmlHeap, (html) => {
        const markdown = htmlToMarkdown(html)
        assert.strictEqual(roundTrip(markdown), markdown)
      }),
      { numRuns: 1_000 }
    )
  })

  it("lose no word", () => {
    const wordsOf = (text: string) =>
      text
        .replace(/&#x([0-9A-F]+);/g, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
        .replaceAll("\\", "")
        .match(/alpha|beta|Привет|мир|漢字|snake_case|👩‍👩‍👧/g) ?? []
    fc.assert(
      fc.property(markdownTree, (markdown) => {
        assert.deepStrictEqual(wordsOf(markdownToHtml(markdown)), wordsOf(markdown))
        assert.deepStrictEqual(wordsOf(roundTrip(markdown)), wordsOf(markdown))
      })
    )
  })
})
