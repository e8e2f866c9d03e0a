/**
 * Texts that are built to be slow: every construct of GFM and of the editor's HTML repeated, nested and mixed, up to
 * a length. The same seed gives the same texts.
 */

/** Pieces of Markdown, each of which a parser may look at again and again. */
const markdownUnits = [
  ...["> ", "- ", "* ", "+ ", "1. ", "2) ", "- [ ] ", "- [x] a\n", "# a\n", "###### ", "a\n=\n", "a\n---\n"],
  ...["    a\n", "```\n", "~~~ a\n", "`", "``a", "*", "**a", "_", "__a_", "~", "~~a", "*a_ ", "**a*"],
  ...[
    "[",
    "]",
    "![",
    "[a](",
    "[a](b)",
    "[a][b]",
    "[a]: b\n",
    "[^1]",
    "<",
    "<a",
    "<a@b.c>",
    "<http://a.b>",
    "<!--"
  ],
  ...[
    "&",
    "&amp;",
    "&#x41;",
    "&a;",
    "\\",
    "\\\\",
    "\\*",
    "a|b\n-|-\n",
    "|a",
    "|-",
    "\n",
    "\n\n",
    "  \n",
    "\t",
    " "
  ],
  ...[
    "http://a.b/",
    "www.a.b ",
    "a@b.co ",
    "mailto:a@b.c",
    "http://a.b/(",
    "://",
    "www.",
    "a.",
    "-",
    "- a\n\n    - b\n"
  ],
  ...["\u0301\u0316", "\u200b", "\u200d", "\u{1f600}\u200d", "\ufe0f", "\u202e", "ndcat_", '"', "'", "{", "$"]
]

/** Pieces of HTML as the editor writes it and as nobody does. */
const htmlUnits = [
  ...[
    "<p>",
    "<p>a</p>",
    "<p><b>",
    "<b>a</b> ",
    "<i><b>",
    "<s>",
    "<u>",
    "<code>`",
    "<pre>",
    "<pre>\n",
    "<br>",
    "<hr>"
  ],
  ...[
    "<ul><li>",
    "<ol><li>a",
    "<li>",
    '<ul data-type="taskList"><li data-type="taskItem" data-checked="true">'
  ],
  ...[
    "<table><tr><td>",
    "<td>a",
    "<tr>",
    "<th>",
    "<td colspan=1000 rowspan=1000>a",
    "<caption>",
    "<blockquote>"
  ],
  ...[
    '<a href="http://a.b">',
    "<a href='http://xn--a.b/'>c</a>",
    '<a b="',
    "<a ",
    "<a = ",
    "<img>",
    '<img src="http://a.b">'
  ],
  ...[
    "<h1>",
    "<h6>a",
    "<div>",
    "</div>",
    "</p>",
    "<span>",
    "<input type=checkbox>",
    "<label>",
    "<svg><p>",
    "<math>"
  ],
  ...[
    "<!--",
    "<!",
    "<?",
    "</",
    "<",
    "&lt;",
    "&amp;",
    "&#x0;",
    "&a",
    "<script>",
    "<style>",
    "<textarea>",
    "<iframe>"
  ],
  ...[
    '<mention-component entity_identifier="a"></mention-component>',
    "<x-y/>",
    "<image-component>",
    "<title>"
  ],
  ...["http://a.b/", "a@b.c", "a.", "\u0301\u0316", "\u200b", "\u{1f600}\u200d", "ndcat_", "a ", "\n"]
]

/** Pairs that open and close, and so can stand inside each other. */
const markdownNests = [
  ["> ", ""],
  ["- ", ""],
  ["1. ", ""],
  ["*", "*"],
  ["**", "**"],
  ["[", "](b)"],
  ["![", "](b)"],
  ["~~", "~~"],
  ["`", "`"],
  ["(", ")"]
] as const

const htmlNests = [
  "p",
  "b",
  "div",
  "ul><li",
  "blockquote",
  "table><tr><td",
  "a href=b",
  "span",
  "code",
  "h1",
  "x-y"
]

/** A generator of numbers below 1 (mulberry32). */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const repeated = (unit: string, length: number) =>
  unit
    .repeat(Math.ceil(length / unit.length))
    .slice(0, length)
    .toWellFormed()

const mixed = (units: ReadonlyArray<string>, length: number, seed: number): string => {
  const next = random(seed)
  const parts: Array<string> = []
  for (let written = 0; written < length; ) {
    const unit = units[Math.floor(next() * units.length)] ?? ""
    const times = next() < 0.5 ? 1 : Math.ceil(next() * 20)
    parts.push(unit.repeat(times))
    written += unit.length * times
  }
  return parts.join("").slice(0, length).toWellFormed()
}

/** A text with a name for reports. */
export interface Hostile {
  readonly name: string
  readonly text: string
}

const built = (
  units: ReadonlyArray<string>,
  nests: ReadonlyArray<readonly [string, string]>,
  length: number,
  seeds: number
): ReadonlyArray<Hostile> => [
  ...units.map((unit) => ({ name: `${JSON.stringify(unit)} repeated`, text: repeated(unit, length) })),
  // What is repeated must also fail at its end.
  ...units.map((unit) => ({
    name: `${JSON.stringify(unit)} repeated behind an address, before a letter`,
    text: `http://a.b/${repeated(unit, length - 12)}a`
  })),
  ...nests.map(([open, close]) => {
    const depth = Math.floor((length - 1) / (open.length + close.length))
    return { name: `${JSON.stringify(open)} nested`, text: `${open.repeat(depth)}a${close.repeat(depth)}` }
  }),
  ...Array.from({ length: seeds }, (_, seed) => ({
    name: `a mix of seed ${seed}`,
    text: mixed(units, length, seed)
  }))
]

export const hostileMarkdown = (length: number, seeds = 20): ReadonlyArray<Hostile> =>
  built(markdownUnits, markdownNests, length, seeds)

export const hostileHtml = (length: number, seeds = 20): ReadonlyArray<Hostile> =>
  built(
    [...htmlUnits, ...markdownUnits],
    htmlNests.map((tags) => {
      const names = tags.split("><").map((tag) => tag.split(" ")[0] ?? "")
      return [
        `<${tags}>`,
        names
          .reverse()
          .map((name) => `</${name}>`)
          .join("")
      ] as const
    }),
    length,
    seeds
  )
