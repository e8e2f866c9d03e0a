/**
 * How long a text takes to be converted, by one look at each character: what a parser does for a sign that may
 * be structure, and for any other character, as measured on a slow machine. Holds for short texts only, since
 * the cost of a sign grows with the number of signs.
 */
const microsFor = { character: 1, tag: 20, sign: 60 }

/** Longest text that is worth a look, in UTF-16 units. */
const longest = 4096

/** Signs of tags, and all others that are structure in Markdown. */
const [tagSigns, signs] = ["<>/=", "!\"#$%&'()*+,-.:;?@[\\]^_`{|}~\n\t"].map((some) => {
  const table = new Uint8Array(128)
  for (const sign of some) table[sign.charCodeAt(0)] = 1
  return table
}) as [Uint8Array, Uint8Array]

const estimate = (text: string, microsForTag: number): number => {
  if (text.length > longest) return Number.POSITIVE_INFINITY
  let micros = microsFor.character * text.length
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (signs[code] === 1) micros += microsFor.sign
    else if (tagSigns[code] === 1) micros += microsForTag
  }
  return micros
}

/** Returns the estimate for Markdown in microseconds of CPU time; infinity for a long text. */
export const markdownMicros = (markdown: string): number => estimate(markdown, microsFor.sign)

/** Returns the estimate for HTML. Its words are read as Markdown too if they may hold an address. */
export const htmlMicros = (html: string): number => estimate(html, microsFor.tag)
