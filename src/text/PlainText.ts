/**
 * Text that a person would see, without what they would not.
 *
 * Characters that show nothing, or that show text in another order than it is stored, let a card say one
 * thing to a person and another to a model ("ASCII smuggling" in the tags block, "Trojan Source" with bidi
 * controls, UTS #39 section 5, UTS #55). They go, whichever way the text travels.
 */

/**
 * What shows nothing: Unicode's Default_Ignorable_Code_Point (zero-width characters, bidi controls, soft
 * hyphen, fillers, variation selectors, the tags block), the rest of Cf but for the signs of it that are drawn
 * (Prepended_Concatenation_Mark, Egyptian joiners), and non-characters.
 */
const invisible =
  "(?![\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u{110BD}\\u{110CD}\\u{13430}-\\u{1343F}])" +
  "[\\p{Default_Ignorable_Code_Point}\\p{Cf}\\p{Noncharacter_Code_Point}]"

/** Scripts in which a joiner changes what is read (UAX #31 section 2.3.1, contexts A1, A2 and B). */
const joiningScripts = [
  ..."Arabic Syriac Mandaic Mongolian Nko Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu".split(" "),
  ..."Kannada Malayalam Sinhala Khmer Myanmar Tibetan Balinese Javanese".split(" ")
]
const joining = `(?=[\\p{L}\\p{M}])[${joiningScripts.map((script) => `\\p{Script=${script}}`).join("")}]`

/**
 * The invisible characters that carry meaning, one at a time and only where they do: ZWJ inside an emoji
 * sequence (UTS #51), ZWNJ and ZWJ after a letter of a joining script, the text and emoji presentation
 * selectors, one ideographic variation selector (UTS #37), Mongolian variation selectors. Everywhere else,
 * and in runs, they are a way to hide bytes.
 */
const meaningful = [
  "(?<=\\p{Extended_Pictographic}[\\u{1F3FB}-\\u{1F3FF}]?\\uFE0F?)\\u200D(?=\\p{Extended_Pictographic})",
  `(?<=${joining})\\u200D`,
  `(?<=${joining})\\u200C(?=${joining})`,
  "(?<=\\p{Emoji})[\\uFE0E\\uFE0F]",
  "(?<=\\p{Script=Han})[\\uFE00-\\uFE02\\u{E0100}-\\u{E01EF}]",
  "(?<=(?=\\p{L})\\p{Script=Mongolian})[\\u180B-\\u180F]"
].join("|")

const hidden = new RegExp(`(?!${meaningful})${invisible}`, "gu")

/** Line and paragraph separators, NEL, VT, FF: they part words, so a space stays where they were. */
const otherSeparators = /[\u2028\u2029\u0085\v\f]/g
const controls = /(?![\t\n])\p{Cc}/gu

/** The text without control characters. Newlines are LF; a lone surrogate, which neither JSON in UTF-8 nor
 * PostgreSQL can hold, becomes U+FFFD. */
export const stripControls = (text: string): string =>
  text.toWellFormed().replace(/\r\n?/g, "\n").replace(otherSeparators, " ").replace(controls, "")

/** The text without control, invisible and bidirectional characters. Applying it twice changes nothing more. */
export const stripInvisible = (text: string): string => stripControls(text).replace(hidden, "")

/** Text as HTML paragraphs: a blank line parts two of them, a newline is a `<br>`, nothing else is read. It is
 * escaped as rehype-stringify does, so that one text has one HTML. */
export const plainTextToHtml = (text: string): string =>
  paragraphsOf(text)
    .map((lines) => `<p>${lines.map(escaped).join("<br>")}</p>`)
    .join("")

const escaped = (line: string) => line.replaceAll("&", "&#x26;").replaceAll("<", "&#x3C;")

/** The paragraphs of a plain text, each as its lines, white space collapsed as HTML does. */
export const paragraphsOf = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const paragraphs: Array<Array<string>> = [[]]
  for (const line of text.split("\n")) {
    const shown = line.replace(/[ \t]+/g, " ").trim()
    if (shown === "") paragraphs.push([])
    else paragraphs.at(-1)?.push(shown)
  }
  return paragraphs.filter((lines) => lines.length > 0)
}
