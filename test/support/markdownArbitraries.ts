import * as fc from "fast-check"

/**
 * Markdown as people write it and as nobody would: trees of every construct of GFM, written out with plain
 * words, and heaps of the pieces that Markdown is made of, in any order.
 */

const word = fc.constantFrom(
  ..."alpha beta Привет мир 漢字 naïve café x1 snake_case 3.5 C# a*b 50% <tag> [x] №7 👍 👩‍👩‍👧 R&D".split(
    " "
  )
)
const words = fc.array(word, { minLength: 1, maxLength: 5 }).map((list) => list.join(" "))
/** Escaped as an agent would that means every character. */
const text = words.map((value) => value.replace(/[\\`*_[\]<>&#|~]/g, "\\$&"))
const url = fc.constantFrom(
  "https://example.com/a?b=c&d=e",
  "http://пример.рф/путь",
  "https://example.com/%D0%BF%20%28%d0%bf[1]$?a=%26&b='я'#%E2%80%8B",
  "mailto:ann@example.com"
)

const inline: fc.Arbitrary<string> = fc.letrec<{ inline: string; one: string }>((tie) => ({
  one: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    text,
    words.map((value) => `\`${value.replace(/[`|]/g, "")}\``),
    tie("inline").map((value) => `**${value}**`),
    tie("inline").map((value) => `*${value}*`),
    // No two beside each other, which at the start of a line would open a fence.
    tie("inline").map((value) => `~~${value.replaceAll("~~", "")}~~`),
    fc.tuple(text, url).map(([label, target]) => `[${label}](${target} "title of it")`),
    url.map((target) => `<${target}>`)
  ),
  inline: fc.array(tie("one"), { minLength: 1, maxLength: 3 }).map((list) => list.join(" "))
})).inline

const indented = (prefix: string, block: string) =>
  block
    .split("\n")
    .map((line, index) => (index === 0 ? prefix : line === "" ? "" : " ".repeat(prefix.length)) + line)
    .join("\n")

const cell = inline.map((value) => value.replaceAll("\n", " "))

/** A document as its Markdown. */
export const markdownTree: fc.Arbitrary<string> = fc.letrec<{ blocks: string; block: string }>((tie) => ({
  block: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    inline,
    fc.tuple(inline, inline).map(([first, second]) => `${first}\\\n${second}`),
    fc.tuple(fc.integer({ min: 1, max: 6 }), inline).map(([level, value]) => `${"#".repeat(level)} ${value}`),
    fc
      .tuple(fc.constantFrom("", "ts", "c++"), words)
      .map(([language, code]) => `\`\`\`${language}\n  ${code}\n\n* not a list\n\`\`\``),
    fc.constant("---"),
    tie("blocks").map((value) => value.replace(/^/gm, "> ")),
    fc
      .tuple(
        fc.constantFrom("- ", "* [x] ", "- [ ] ", "1. ", "7) "),
        fc.array(tie("blocks"), { minLength: 1, maxLength: 3 })
      )
      .map(([marker, items]) => items.map((item) => indented(marker, item)).join("\n")),
    fc
      .array(fc.tuple(cell, cell), { minLength: 1, maxLength: 3 })
      .map((rows) => ["| a | b |", "| :-- | --: |", ...rows.map(([a, b]) => `| ${a} | ${b} |`)].join("\n"))
  ),
  blocks: fc.array(tie("block"), { minLength: 1, maxLength: 3 }).map((list) => list.join("\n\n"))
})).blocks

const markdownPieces =
  "* ** _ __ ~ ~~ ` `` ``` [ ] ( ) ! ![ ]( ]: < > # ## - + 1. 2) | |- --- === \\ & &amp; &#x26; &lt; &#x202e; : :/ " +
  "http://a.b www.a.b a@b.co \" ' a b я 😀 é . 0 { $ ^ = ~~~ <b> </b> [a](http://b.c) [a](b) [^1] xmpp:a@b.c"

/** The pieces of Markdown, in any order. */
export const markdownHeap: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(...markdownPieces.split(" ")),
      fc.constantFrom(
        " ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "\n- ",
        "\n> ",
        "\n1. ",
        "- [ ] ",
        "- [x] ",
        "\t",
        "\u00a0"
      ),
      fc.constantFrom(
        "\\\n",
        "  \n",
        "\n    ",
        "```js\n",
        "\n```\n",
        "\n| a | b |\n|---|:-:|\n| c | d |\n",
        "<!-- x -->"
      )
    ),
    { maxLength: 24 }
  )
  .map((pieces) => pieces.join(""))

const htmlPieces =
  '<p> </p> <div> </div> <b> </b> <em> </em> <s> <code> </code> <pre> </pre> <a href="https://a.b/"> </a> <br> <hr> <ul> ' +
  '</ul> <ol start="3"> </ol> <li> </li> <blockquote> </blockquote> <h2> </h2> <table> <tr> <th> <td> </td> ' +
  '</tr> </table> <img src="https://a.b/c.png"> <mention-component label="Ann"></mention-component> ' +
  '<li data-type="taskItem" data-checked="true"> <ul data-type="taskList"> <label> <input type="checkbox"> </label> ' +
  '<script> </script> <iframe src="https://a.b"></iframe> <span> </span> &amp; &lt; < > * _ ` [x] 1. - # | a b я 👍 &nbsp;'

/** The pieces of HTML, in any order. */
export const htmlHeap: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(...htmlPieces.split(" ")),
      fc.constantFrom(" ", "\n", '<td colspan="2" rowspan="2">')
    ),
    {
      maxLength: 24
    }
  )
  .map((pieces) => pieces.join(""))
