import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Nodes as HtmlNodes } from "hast"
import type { Nodes } from "mdast"
import rehypeParse from "rehype-parse"
import remarkGfm from "remark-gfm"
import remarkParse from "remark-parse"
import { unified } from "unified"
import { htmlToMarkdown, markdownToHtml, unrepresentable } from "../../src/text/Markdown.ts"
import { plainTextToHtml, stripInvisible } from "../../src/text/PlainText.ts"
import { htmlHeap, markdownHeap, markdownTree } from "../support/markdownArbitraries.ts"

/** Any reader of Markdown, which lets raw HTML through, and any reader of HTML. */
const anyMarkdown = unified().use(remarkParse).use(remarkGfm).freeze()
const anyHtml = unified().use(rehypeParse, { fragment: true }).freeze()

const attributesOf: Record<string, ReadonlyArray<string>> = {
  a: ["href", "title"],
  code: ["className"],
  input: ["type", "checked"],
  li: ["dataType", "dataChecked"],
  ol: ["start"],
  td: ["align"],
  th: ["align"],
  ul: ["dataType"]
}
const elements = new Set(
  (
    "blockquote br del div em h1 h2 h3 h4 h5 h6 hr label p pre span strong table tbody thead tr " +
    Object.keys(attributesOf).join(" ")
  ).split(" ")
)
const safeAddress = /^(?:https?:\/\/|mailto:)/i

const assertHarmlessHtml = (html: string) => {
  const visit = (node: HtmlNodes) => {
    if (node.type === "element") {
      assert.isTrue(elements.has(node.tagName), `<${node.tagName}> in ${html.slice(0, 200)}`)
      for (const [name, value] of Object.entries(node.properties)) {
        assert.include(attributesOf[node.tagName] ?? [], name)
        if (name === "href") assert.match(String(value), safeAddress)
      }
    } else assert.include(["root", "text"], node.type)
    if ("children" in node) node.children.forEach(visit)
  }
  visit(anyHtml.parse(html))
}

const assertHarmlessMarkdown = (markdown: string) => {
  const visit = (node: Nodes) => {
    assert.notInclude(["html", "image", "imageReference", "definition", "footnoteDefinition"], node.type)
    if (node.type === "link" && !/^xmpp:/.test(node.url)) assert.match(node.url, safeAddress)
    if ("children" in node) node.children.forEach(visit)
  }
  visit(anyMarkdown.parse(markdown))
}

/** Both ways, whatever it was meant to be. */
const assertHarmless = (text: string) => {
  assertHarmlessHtml(markdownToHtml(text))
  assertHarmlessMarkdown(htmlToMarkdown(text))
  assertHarmlessMarkdown(htmlToMarkdown(markdownToHtml(text)))
  assertHarmlessHtml(markdownToHtml(htmlToMarkdown(text)))
}

describe("card text that means harm", () => {
  const attacks: Record<string, string> = {
    "a script": "<script>alert(1)</script>",
    "an unclosed script": "a <script>alert(1)",
    "an event handler":
      '<img src=x onerror="alert(1)"><p onclick="alert(1)">a</p><details open ontoggle=alert(1)>',
    "a javascript link": '<a href="javascript:alert(1)">a</a> [a](javascript:alert(1)) <javascript:alert(1)>',
    "a javascript link in pieces":
      '<a href="java\tscript:alert(1)">a</a><a href=" &#1;javascript&colon;alert(1)">b</a>',
    "a javascript link in Markdown's pieces":
      "[a](java&Tab;script:alert(1)) [b](javascript&#x3a;alert(1)) [c](\\javascript:x)",
    "a javascript link with invisible characters":
      "[a](java\u200bscript:alert(1)) <a href='java\u00adscript:x'>b</a>",
    "a javascript reference": "[a]\n\n[a]: javascript:alert(1)",
    "a data link":
      '<a href="data:text/html,<script>alert(1)</script>">a</a> ![a](data:image/svg+xml;base64,AAAA)',
    "a vbscript link": "[a](vbscript:x) [b](file:///etc/passwd) [c](//evil.example)",
    "an attribute broken out of":
      '[a](http://b.c "x\\" onmouseover=alert(1) \\"")\n\n```js"onload=alert(1)\n```',
    "a frame, a form, an object":
      '<iframe srcdoc="<script>x</script>"></iframe><form action=x><button formaction=javascript:x>',
    "a style": '<style>@import "x"</style><p style="background:url(javascript:x)">a</p>',
    "a drawing with a script": '<svg><script>x</script><a xlink:href="javascript:x"><text>a</text></a></svg>',
    "mutation through a table": "<table><style><img src=x onerror=alert(1)></style>",
    "mutation through a textarea": "<textarea></textarea><img src=x onerror=alert(1)>",
    "mutation through MathML":
      '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "mutation through noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "a tag in a code span": "`<img src=x onerror=alert(1)>` <code><img src=x></code>",
    "HTML that Markdown would make": "&lt;script&gt;alert(1)&lt;/script&gt; \\<img src=x>",
    "Markdown that HTML would make":
      "<p>[a](javascript:alert(1)) &lt;script&gt;</p><p>![x](http://evil.example)</p>"
  }
  for (const [name, text] of Object.entries(attacks)) {
    it(`is harmless: ${name}`, () => assertHarmless(text))
  }

  it("is harmless whatever it is made of", () => {
    fc.assert(fc.property(markdownHeap, assertHarmless), { numRuns: 100 })
    fc.assert(fc.property(htmlHeap, assertHarmless), { numRuns: 100 })
    fc.assert(fc.property(markdownTree, assertHarmless), { numRuns: 50 })
  })
})

/** Of this thread, so that a busy machine is no failure: far beyond what was measured, far below a square. */
const limitMilliseconds = 5_000

const withinTime = (run: () => void) => {
  const start = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(start)
  assert.isBelow((user + system) / 1_000, limitMilliseconds, "milliseconds of work")
}

const repeated = (unit: string, length: number) =>
  unit.repeat(Math.ceil(length / unit.length)).slice(0, length)
const megabyte = 1_000_000

describe("card text that is built to be slow", () => {
  const units = [
    ..."> [ ![ *a a* ~~a ` | &a; < <a www.a [a](b) http://a.b/( \\".split(" "),
    ...[
      "- ",
      "> - ",
      "*a_ ",
      "- - a\n",
      "> a\n\n",
      "a\n=\n",
      "a|b\n",
      "[a]: b\n",
      "- a\n\n    - b\n",
      "a  \n"
    ],
    ...["\n", "\u200b", "😀\u200d"]
  ]
  // Small enough to be read for its structure, and far beyond it.
  for (const length of [4_000, megabyte]) {
    it(`is written and read in time, and without an error: ${units.length} patterns of Markdown, ${length} long`, () => {
      for (const unit of units) {
        withinTime(() => htmlToMarkdown(markdownToHtml(repeated(unit, length))))
      }
    })
  }

  const tags = [
    ..."<div> <p><b> <a> <table><tr><td> <ul><li> <p></div> < <!-- &amp; <script> <br> <svg><p> <img> <code>` <x-y/>".split(
      " "
    ),
    ...['<a b="', "<a ", "<div>a</div>", "<b>a</b> ", "<p>a<br>b</p>", "<td colspan=1000 rowspan=1000>a"]
  ]
  for (const length of [60_000, megabyte]) {
    it(`is read in time, and without an error: ${tags.length} patterns of HTML, ${length} long`, () => {
      for (const unit of tags) {
        const html = repeated(unit, length)
        withinTime(() => htmlToMarkdown(html))
        withinTime(() => unrepresentable(html))
      }
    })
  }

  const shapes: Record<string, () => string> = {
    "200,000 elements inside each other": () => `${"<div>".repeat(200_000)}a${"</div>".repeat(200_000)}`,
    "unclosed formatting in every paragraph": () =>
      Array.from({ length: 40_000 }, (_, id) => `<p><b class=${id}>x</p>`).join(""),
    "100,000 attributes": () => `<div ${Array.from({ length: 100_000 }, (_, id) => `a${id}=1`).join(" ")}>`,
    "quotes around many paragraphs": () => "<blockquote>".repeat(120) + repeated("<p>a</p>", megabyte),
    "a wide table with many rows": () =>
      `<table><tr>${repeated("<td>a</td>", 20_000)}</tr>${repeated("<tr><td>a</td></tr>", 400_000)}`
  }
  for (const [name, html] of Object.entries(shapes)) {
    it(`is read in time: ${name}`, () => withinTime(() => htmlToMarkdown(html())))
  }

  const documents: Record<string, () => string> = {
    "lists deepened line by line": () =>
      Array.from({ length: 250 }, (_, depth) => `${" ".repeat(2 * depth)}- a`).join("\n"),
    "rows filled up to a wide header": () =>
      `${repeated("|a", 20_000)}|\n${repeated("|-", 20_000)}|\n${repeated("|\n", 20_000)}`,
    "references that multiply a long address": () => `[a]: x${"y".repeat(10_000)}\n\n${"[a] ".repeat(4_000)}`,
    "brackets inside brackets": () => `${"[".repeat(2_000)}a${"](b)".repeat(2_000)}`,
    "a bare address with references": () => `http://a.b/${"&a;".repeat(20_000)}`
  }
  for (const [name, markdown] of Object.entries(documents)) {
    it(`is written in time, and not multiplied: ${name}`, () => {
      withinTime(() => assert.isBelow(markdownToHtml(markdown()).length, 20 * markdown().length))
    })
  }

  it("loses its structure and none of its words, and stays so", () => {
    const markdown = `${"> ".repeat(40)}deep *one*\ntwo & <three>\n\n- four`
    const html = `<p>${"> ".repeat(40)}deep *one*<br>two &#x26; &#x3C;three></p><p>- four</p>`
    assert.strictEqual(markdownToHtml(markdown), html)
    const again = markdownToHtml(htmlToMarkdown(html))
    assert.strictEqual(markdownToHtml(htmlToMarkdown(again)), again)
    const long = repeated("**word** ", 70_000)
    assert.strictEqual(htmlToMarkdown(markdownToHtml(long)), long.trim())
  })

  it("does not bound what a fence holds", () => {
    const code = repeated("if (a[*b] && !c) { `d` }\n", 60_000).trim()
    assert.strictEqual(
      htmlToMarkdown(markdownToHtml(`\`\`\`ts\n${code}\n\`\`\``)),
      `\`\`\`ts\n${code}\n\`\`\``
    )
  })

  it("is read in full where a person wrote it: 40 KB of ordinary text keep their structure", () => {
    const section =
      "## Title\n\nWords with **weight**, `code` and [a link](https://a.b).\n\n- one\n- two\n  - three\n\n1. four\n\n"
    const html = markdownToHtml(repeated(section, 40_000))
    assert.include(html, "<h2>Title</h2>")
    assert.strictEqual(markdownToHtml(htmlToMarkdown(html)), html)
  })
})

describe("invisible characters", () => {
  const strips = (text: string, shown: string) => assert.strictEqual(stripInvisible(text), shown)

  it("are stripped: zero width, bidi, tags, soft hyphens, fillers, controls, hidden bytes in selectors", () => {
    strips("a\u200bb\u2060c\ufeffd\u00ade", "abcde")
    strips(
      "\u202aa\u202bb\u202cc\u202dd\u202ee\u2066f\u2067g\u2068h\u2069i\u200ej\u200fk\u061cl",
      "abcdefghijkl"
    )
    strips(
      `a${[..."ignore"].map((c) => String.fromCodePoint(0xe0000 + (c.codePointAt(0) ?? 0))).join("")}b\u{e007f}`,
      "ab"
    )
    strips("a\u3164b\u115fc\u034fd\u180ee", "abcde")
    strips("a\u0000b\u0007c\u001bd\u009be\u007ff", "abcdef")
    strips("😀\ufe0f\ufe0e\u{e0101}\u{e0102}a\ufe01", "😀\ufe0fa")
    strips("a\u200db\u200cc", "abc")
  })

  it("stay where they carry meaning: emoji sequences, Persian, Hindi, ideographs, Mongolian", () => {
    for (const text of [
      "👩‍👩‍👧",
      "👩🏽‍💻",
      "❤️‍🔥",
      "1️⃣",
      "می‌خواهم",
      "क्‍ष",
      "葛\u{e0100}",
      "ᠠ\u180b",
      "٠؀",
      "שלום",
      "a\tb\nc"
    ])
      strips(text, text)
  })

  it("leave words apart and newlines alike", () => {
    strips("a\r\nb\rc\u2028d\u0085e\vf\fg", "a\nb\nc d e f g")
  })

  it("leave a text that can be sent and stored, and that a second pass leaves alone", () => {
    strips("a\ud800b", "a\ufffdb")
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const once = stripInvisible(text)
        assert.isTrue(once.isWellFormed())
        assert.strictEqual(stripInvisible(once), once)
      })
    )
  })

  it("are no reason to read plain text as HTML", () => {
    assert.strictEqual(
      plainTextToHtml('a <b> & "c"\nd\n\n\n e  f '),
      '<p>a &#x3C;b> &#x26; "c"<br>d</p><p>e f</p>'
    )
    assert.strictEqual(plainTextToHtml(" \n "), "")
  })
})
