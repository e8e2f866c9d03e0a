import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Element, ElementContent, Text } from "hast"
import { htmlToMarkdown, markdownToHtml } from "../../src/text/Markdown.ts"
import { sameName, sameText, sameWords } from "../../src/text/sameText.ts"
import { markdownHeap, markdownTree } from "../support/markdownArbitraries.ts"
import { asPlaneSpells, elementsOf, htmlOf, treeOf } from "../support/planeSpelling.ts"

interface Measured {
  readonly name: string
  readonly sent: string
  readonly stored: string | null
}

const { texts } = JSON.parse(readFileSync(join(import.meta.dirname, "fixtures/plane-html.json"), "utf8")) as {
  readonly texts: ReadonlyArray<Measured>
}

/** Plane removes these, so the stored text says less than the sent one. */
const cut: ReadonlyArray<string> = ["script/style/iframe/on*"]

describe("a text that a real Plane stored", () => {
  for (const { name, sent, stored } of texts) {
    if (stored === null) continue
    it(`is ${cut.includes(name) ? "not " : ""}the text that was sent: ${name}`, () => {
      assert.strictEqual(sameText(sent, stored), !cut.includes(name))
    })
  }

  it("is the text that the gateway wrote, for each text that Plane can be sent", () => {
    for (const { sent, stored } of texts) {
      if (stored === null) continue
      const html = markdownToHtml(htmlToMarkdown(sent))
      assert.isTrue(sameText(html, asPlaneSpells(html)), html)
    }
  })
})

/** Changes of a text that a reader would notice, each named, in every place where it can be made. */
const mutationsOf = (html: string): ReadonlyArray<readonly [string, string]> => {
  const out: Array<readonly [string, string]> = []
  const original = treeOf(html)
  const count = elementsOf(original).length
  const mutate = (
    name: string,
    at: number,
    change: (element: Element, siblings: Array<ElementContent>) => boolean
  ) => {
    const tree = structuredClone(original)
    const parents = [tree, ...elementsOf(tree)]
    const element = elementsOf(tree)[at] as Element
    const siblings = parents.find(({ children }) => children.includes(element as never))
    if (change(element, siblings?.children as Array<ElementContent>)) out.push([name, htmlOf(tree)])
  }
  for (let at = 0; at < count; at++) {
    mutate("a letter more", at, ({ children }) => {
      const text = children.find((child): child is Text => child.type === "text" && child.value.trim() !== "")
      if (text !== undefined) text.value = `${text.value.trimEnd()}q`
      return text !== undefined
    })
    mutate("another sign", at, ({ children }) => {
      const text = children.find(
        (child): child is Text => child.type === "text" && /[#%&№]/.test(child.value)
      )
      if (text !== undefined) text.value = text.value.replace(/[#%&№]/, "+")
      return text !== undefined
    })
    mutate("another target", at, ({ properties, tagName }) => {
      if (tagName === "a") properties.href = `${properties.href}x`
      return tagName === "a"
    })
    mutate("no mark", at, (element, siblings) => {
      const isMark = /^(?:em|strong|del)$/.test(element.tagName)
      if (isMark) siblings.splice(siblings.indexOf(element), 1, ...element.children)
      return isMark
    })
    mutate("another list", at, (element) => {
      if (element.tagName !== "ol") return false
      element.tagName = "ul"
      return elementsOf(element).some(({ tagName }) => tagName === "p")
    })
    mutate("an item by itself", at, (element, siblings) => {
      const isNested = element.tagName === "li" && siblings.indexOf(element) > 0
      const before = siblings[siblings.indexOf(element) - 1] as Element | undefined
      if (!isNested || before?.properties.dataType === "taskItem") return false
      siblings.splice(siblings.indexOf(element), 1)
      before?.children.push({ type: "element", tagName: "ul", properties: {}, children: [element] })
      return elementsOf(element).some(({ tagName }) => tagName === "p")
    })
    mutate("another heading", at, (element) => {
      const isHeading = /^h[1-5]$/.test(element.tagName)
      if (isHeading) element.tagName = `h${Number(element.tagName[1]) + 1}`
      return isHeading
    })
    mutate("no code block", at, (element) => {
      const isCode = element.tagName === "pre"
      if (isCode) element.tagName = "p"
      return isCode
    })
    mutate("another indentation", at, ({ children, tagName }) => {
      const [code] = tagName === "pre" ? (children as Array<Element>) : []
      const text = code?.children[0]
      if (text?.type === "text") text.value = ` ${text.value}`
      return text?.type === "text"
    })
    mutate("another language", at, ({ properties, tagName }, siblings) => {
      const isBlock = tagName === "code" && siblings.length === 1 && properties.className !== undefined
      if (isBlock) properties.className = ["language-other"]
      return isBlock
    })
    mutate("a box ticked", at, ({ properties }) => {
      const isOpen = properties.dataType === "taskItem" && properties.dataChecked === "false"
      if (isOpen) properties.dataChecked = "true"
      return isOpen
    })
    mutate("two cells exchanged", at, ({ children, tagName }) => {
      if (tagName !== "tr" || children.length < 2) return false
      const texts = children.map((cell) => JSON.stringify((cell as Element).children))
      children.reverse()
      return texts[0] !== texts.at(-1)
    })
  }
  return out
}

describe("a text that the gateway wrote", () => {
  const survives = (markdown: string) => {
    const html = markdownToHtml(markdown)
    assert.isTrue(sameText(html, asPlaneSpells(html)), `${html}\n${asPlaneSpells(html)}`)
    assert.isTrue(sameText(html, asPlaneSpells(asPlaneSpells(html))))
    assert.isTrue(sameText(html, markdownToHtml(htmlToMarkdown(asPlaneSpells(html)))))
  }

  it("is the same text after Plane respelled it, for any document", () => {
    fc.assert(fc.property(markdownTree, survives), { numRuns: 200 })
  })

  it("is the same text after Plane respelled it, for any heap of Markdown's pieces", () => {
    fc.assert(
      fc.property(markdownHeap, (markdown) => {
        const html = markdownToHtml(markdown)
        assert.isTrue(sameText(html, asPlaneSpells(html)), html)
      }),
      { numRuns: 300 }
    )
  })

  it("is another text after any change that a reader would notice", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(markdownTree, (markdown) => {
        const html = markdownToHtml(markdown)
        for (const [name, changed] of mutationsOf(html)) {
          seen.add(name)
          assert.isFalse(sameText(html, changed), `${name}:\n${html}\n${changed}`)
          assert.isFalse(sameText(html, asPlaneSpells(changed)), `${name}, respelled:\n${html}\n${changed}`)
        }
      }),
      { numRuns: 50 }
    )
    assert.isAtLeast(seen.size, 12, "kinds of change that were tried")
  })
})

describe("two texts", () => {
  const same = (one: string | null, other: string | null) => {
    assert.isTrue(sameText(one, other), `${one} and ${other}`)
    assert.isTrue(sameText(other, one))
  }
  const differ = (one: string, other: string) => {
    assert.isFalse(sameText(one, other), `${one} and ${other}`)
    assert.isFalse(sameText(other, one))
  }
  const link = (href: string, words = "x") => `<p><a href="${href}">${words}</a></p>`

  it("are the same if both are empty, by any spelling of nothing", () => {
    for (const empty of ["", null, "<p></p>", '<p class="c"></p>', "<div><p></p></div>", "<p><br></p>"]) {
      same(empty, "<p></p>")
      same(empty, "")
    }
    differ("<p></p>", "<p>0</p>")
  })

  it("are the same if their links are spelled in other ways", () => {
    same(
      link("https://e.test/путь?q=да#я"),
      link("https://e.test/%D0%BF%D1%83%D1%82%D1%8C?q=%D0%B4%D0%B0#%D1%8F")
    )
    same(link("https://e.test/%d0%bf"), link("https://e.test/%D0%BF"))
    same(link("https://e.test"), link("https://e.test/"))
    same(link("HTTPS://E.Test:443/A"), link("https://e.test/A"))
    same(link("http://пример.рф/"), link("http://xn--e1afmkfd.xn--p1ai"))
    same(link("https://e.test/a[1]$~'"), link("https://e.test/a%5B1%5D%24%7E%27"))
  })

  it("differ if their links lead elsewhere", () => {
    differ(link("https://e.test/a%2Fb"), link("https://e.test/a/b"))
    differ(link("https://e.test/?a=b%26c=d"), link("https://e.test/?a=b&amp;c=d"))
    differ(link("https://e.test/%2541"), link("https://e.test/%41"))
    differ(link("https://e.test/A"), link("https://e.test/a"))
    differ(link("https://e.test/a"), link("http://e.test/a"))
    differ(link("https://e.test/a", "https://e.test/b"), "<p>https://e.test/b</p>")
    differ(`<p><a href="https://e.test/" title="t">x</a></p>`, link("https://e.test/"))
  })

  it("are the same if one links an address that stands there anyway", () => {
    same(link("https://e.test/я", "https://e.test/я"), "<p>https://e.test/я</p>")
    same(link("mailto:a@e.test", "a@e.test"), "<p>a@e.test</p>")
  })

  it("are the same whatever wraps their blocks and words, and in whatever order marks nest", () => {
    same("<p>a</p><p>b</p>", "<div>\n<section><p><span>a</span></p></section>\n\n<p>b</p><p> </p></div>")
    same("<p>a&nbsp;b</p>", "<p>a\n b</p>")
    same("<p><em><strong>a</strong></em></p>", "<p><b><i>a</i></b></p>")
  })

  it("differ by a break, a paragraph, a rule and a header's row", () => {
    differ("<p>a<br>b</p>", "<p>a b</p>")
    differ("<p>a</p><p>b</p>", "<p>a<br>b</p>")
    differ("<p>a</p><hr>", "<p>a</p>")
    differ("<table><tr><th>a</th></tr></table>", "<table><tr><td>a</td></tr></table>")
  })

  it("beyond the bounds of structure are compared by their words, signs included", () => {
    const deep = (words: string) =>
      `${"<blockquote>".repeat(100)}<p>${words}</p>${"<b>x</b> ".repeat(40_000)}`
    same(deep("C# <i>a</i>"), deep("C# a"))
    differ(deep("C#"), deep("C++"))
    differ(deep("+1"), deep("-1"))
  })

  it("are compared in linear time, however they are built", () => {
    const milliseconds = (run: () => void) => {
      const start = process.threadCpuUsage()
      run()
      const { user, system } = process.threadCpuUsage(start)
      return (user + system) / 1_000
    }
    const units = [
      '<a href="mailto:a@b_c.d">_</a>',
      `<a href="http://e.test/${"%D0%BF".repeat(500)}">x</a>`,
      "<b>a",
      "<ul><li>",
      "<td>a",
      "<a href=http://я.я>http://я.я</a>",
      "<p>http://a.b/",
      "%D0",
      "&nbsp;"
    ]
    for (const unit of units) {
      const html = unit.repeat(Math.ceil(1_000_000 / unit.length))
      assert.isBelow(
        milliseconds(() => sameText(html, `${html}<p>a</p>`)),
        5_000,
        unit.slice(0, 40)
      )
      const address = `<p><a href="mailto:a@${unit.repeat(20_000).replace(/["<>]/g, "_")}">x</a></p>`
      assert.isBelow(
        milliseconds(() => sameText(address, `${address}<p>a</p>`)),
        5_000,
        `in an address: ${unit}`
      )
    }
  })
})

describe("two names", () => {
  it("are the same if only white space and compatibility forms differ", () => {
    assert.isTrue(sameName(" Port  to\tC# ", "Port to C#"))
    assert.isTrue(sameName("№ 5", "No 5"))
    assert.isTrue(sameName("й", "и\u0306"))
  })

  it("differ by any letter, sign or mark", () => {
    for (const [one, other] of [
      ["Port to C#", "Port to C++"],
      ["+1", "-1"],
      ["Fix login", "fix login"],
      ["résumé", "resume"],
      ["a", "a."],
      ["👍", "👎"],
      ["<b>x</b>", "x"]
    ] as const) {
      assert.isFalse(sameName(one, other), `${one} and ${other}`)
    }
  })
})

describe("the words of two comments", () => {
  it("are the same whatever their markup, and differ by any sign", () => {
    assert.isTrue(sameWords("<p>Ship <b>C#</b> &amp; go</p>", "<div>Ship C# & go</div>"))
    assert.isFalse(sameWords("<p>C#</p>", "<p>C++</p>"))
    assert.isFalse(sameWords("<p>+1</p>", "<p>-1</p>"))
    assert.isFalse(sameWords("<p>re\u0301sume</p>", "<p>resume</p>"))
    assert.isTrue(sameWords(null, "<p></p>"))
  })
})
