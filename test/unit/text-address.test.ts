import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { comparableAddress, readableAddress, webOrMail } from "../../src/text/Address.ts"
import { htmlToMarkdown, markdownToHtml } from "../../src/text/Markdown.ts"
import { stripInvisible } from "../../src/text/PlainText.ts"

/** Addresses, and what nearly is one. */
const address = fc
  .tuple(
    fc.constantFrom("http://", "https://", "HTTP://", "mailto:a@b.c?", "mailto:"),
    fc.constantFrom(
      "a.b",
      "пример.рф",
      "xn--e1afmkfd.xn--p1ai",
      "аррӏе.com",
      "u:п@я.b:8080",
      "я%7B.b",
      "[::1]",
      "漢",
      ""
    ),
    fc.array(
      fc.oneof(
        fc.constantFrom(
          ..."/ ? # % %2 %2F %20 %28 %D0%BF %d0%bf %D0 %E2%80%8B %C2%A0 %CC%81 %F0%9F%91%8D".split(" ")
        ),
        fc.constantFrom(..."я 漢 👍 é [ ] ( ) { } ' \" < > \\ ` | ^ _ * @ : = & ; , . - ~ +".split(" ")),
        fc.string({ unit: "binary", maxLength: 3 })
      ),
      { maxLength: 12 }
    )
  )
  .map(([scheme, host, rest]) => stripInvisible(scheme + host + rest.join("")).trim())

describe("the address of a link", () => {
  it("is an ASCII URI in HTML, its encoded bytes untouched, its host in punycode", () => {
    for (const [written, sent] of [
      [
        "http://пример.рф/путь?q=да#як",
        "http://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C?q=%D0%B4%D0%B0#%D1%8F%D0%BA"
      ],
      ["https://e.test/%d0%bf%20%zz", "https://e.test/%d0%bf%20%25zz"],
      ["https://u:п@e.test:80/", "https://u:%D0%BF@e.test:80/"],
      ["https://a b.я/", "https://a%20b.%D1%8F/"],
      ["mailto:a_b@c_d.e?subject=Да_", "mailto:a_b@c%5Fd.e?subject=%D0%94%D0%B0_"]
    ] as const) {
      assert.strictEqual(webOrMail(written), sent)
    }
  })

  it("is ASCII whatever was written, and stays so when it is written again", () => {
    fc.assert(
      fc.property(address, (written) => {
        const sent = webOrMail(written)
        fc.pre(sent !== undefined)
        assert.match(sent ?? "", /^[!-~]+$/)
        assert.strictEqual(webOrMail(sent ?? ""), sent)
      }),
      { numRuns: 1_000 }
    )
  })

  it("is read in its own letters, and written again as the same address", () => {
    assert.strictEqual(
      readableAddress("http://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C/%E6%BC%A2?%F0%9F%91%8D"),
      "http://пример.рф/путь/漢?👍"
    )
    fc.assert(
      fc.property(address, (written) => {
        const sent = webOrMail(written)
        fc.pre(sent !== undefined)
        const read = readableAddress(sent ?? "")
        assert.strictEqual(webOrMail(read), sent)
        assert.strictEqual(stripInvisible(read), read)
        assert.notMatch(read, /[\s<>"\\^`{|}\u2800]/u)
      }),
      { numRuns: 1_000 }
    )
  })

  it("keeps encoded what can't be seen, would part it, or is no UTF-8", () => {
    for (const kept of [
      "https://e.test/%20%28%29%5B%5D%3C%0A%2F%25",
      "https://e.test/%C2%A0%E2%80%8B%E2%80%AE%E3%85%A4%E2%A0%80",
      "https://e.test/%E3%80%8C%EF%BC%9F",
      "https://e.test/%CC%81",
      "https://e.test/%FF%C0%AF%ED%A0%80%D0",
      "https://e.test/%d0%bf"
    ]) {
      assert.strictEqual(readableAddress(kept), kept)
    }
  })

  it("keeps a host in punycode that may be taken for another one", () => {
    assert.strictEqual(webOrMail("https://аррӏе.com/"), "https://xn--80ak6aa92e.com/")
    assert.strictEqual(readableAddress("https://xn--80ak6aa92e.com/"), "https://xn--80ak6aa92e.com/")
    assert.strictEqual(readableAddress("https://xn--.com/"), "https://xn--.com/")
  })

  it("has one comparable form for all its spellings", () => {
    fc.assert(
      fc.property(address, (written) => {
        const sent = webOrMail(written)
        fc.pre(sent !== undefined)
        const form = comparableAddress(sent ?? "")
        assert.strictEqual(comparableAddress(readableAddress(sent ?? "")), form)
        const respelled = (sent ?? "").replace(/%[0-9A-F]{2}/gi, (byte) => byte.toLowerCase())
        assert.strictEqual(comparableAddress(respelled), form)
      }),
      { numRuns: 1_000 }
    )
  })

  it("is the same after Markdown, HTML and Markdown, in every way to write a link", () => {
    fc.assert(
      fc.property(
        address,
        fc.constantFrom("<$>", "[x]($)", "[x](<$>)", "$", "see $.", "[a]: $\n\n[a]"),
        (url, form) => {
          const html = markdownToHtml(form.replace("$", () => url))
          assert.strictEqual(markdownToHtml(htmlToMarkdown(html)), html)
        }
      ),
      { numRuns: 500 }
    )
  })

  it("reads as Cyrillic in the Markdown of a card, whichever way the card holds it", () => {
    const markdown = "[страница](http://пример.рф/путь) <https://e.test/я>"
    const html = markdownToHtml(markdown)
    assert.match(html, /^[\x20-\x7Ea-яё]+$/i)
    assert.include(html, 'href="https://e.test/%D1%8F"')
    assert.strictEqual(htmlToMarkdown(html), markdown)
    assert.strictEqual(htmlToMarkdown('<a href="https://e.test/я"></a>'), "<https://e.test/я>")
  })

  it("may be thousands of letters long", () => {
    const markdown = `[x](https://e.test/${"я".repeat(5_000)})`
    assert.strictEqual(htmlToMarkdown(markdownToHtml(markdown)), markdown)
  })
})
