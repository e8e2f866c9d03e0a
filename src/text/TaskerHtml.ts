/**
 * Tasker's HTML, as Plane's editor (TipTap) stores it and as anyone may have sent it: its tags, what of it
 * Markdown can't carry back, and a well-formed copy that no parser is slow on.
 */

/** Elements inside each other that are kept; of deeper ones the text is. A task list takes three a level. */
const maxElementDepth = 128
/** A longer value is a picture inlined as base64, which nobody reads. A link's address may be of any length. */
const maxAttributeLength = 4_096

const voidElements = new Set("br col embed hr img input source track wbr".split(" "))
/** Their content is code or a document of its own: it is skipped (WHATWG 13.2.5.2 to 13.2.5.4). */
const opaqueElements = new Set("script style iframe noembed noframes".split(" "))
/** Their content is text, whatever it looks like. */
const textElements = new Set("textarea title xmp plaintext".split(" "))
/** They switch a parser into modes of its own; their content is read as if they were not there. */
const transparentElements = new Set(
  "html head body frameset frame template select option optgroup noscript math base link meta form".split(" ")
)
const renamed: Record<string, string> = { svg: "picture", image: "img" }
const impliedEnds = new Set("p li td th tr dt dd".split(" "))
const keptAttributes = new Set(
  (
    "href title src alt start class type checked align colspan rowspan name label entity_identifier " +
    "data-type data-checked data-block-type data-name data-src"
  ).split(" ")
)

/** Values are as written, character references and all. */
export type Token =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "open"; readonly name: string; readonly attributes: ReadonlyMap<string, string> }
  | { readonly type: "close"; readonly name: string }

const tagOpening = /<(\/?)([a-zA-Z][a-zA-Z0-9_-]*)/y
const attribute = /[\s/]+|([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/y
const markupDeclaration = /<!--[\s\S]*?(?:-->|$)|<[!?/][^>]*(?:>|$)/y

/** Tags and texts in order. Every character is looked at once; what is no tag is text. */
export function* tokensOf(html: string): Generator<Token> {
  let index = 0
  while (index < html.length) {
    const next = html.indexOf("<", index)
    if (next !== index)
      yield { type: "text", text: next === -1 ? html.slice(index) : html.slice(index, next) }
    if (next === -1) return
    tagOpening.lastIndex = next
    const tag = tagOpening.exec(html)
    if (tag === null) {
      markupDeclaration.lastIndex = next
      const isMarkup = markupDeclaration.test(html)
      index = isMarkup ? markupDeclaration.lastIndex : next + 1
      if (!isMarkup) yield { type: "text", text: "<" }
      continue
    }
    const written = (tag[2] ?? "").toLowerCase()
    const name = renamed[written] ?? written
    const { attributes, end } = attributesAt(html, tagOpening.lastIndex)
    index = end + 1
    if (html[end] !== ">") {
      yield { type: "text", text: html.slice(next, end) }
      index = end
    } else if (transparentElements.has(name)) {
      // Neither opened nor closed.
    } else if (tag[1] === "/") yield { type: "close", name }
    else if (opaqueElements.has(name) || textElements.has(name)) {
      const content = contentUntilEnd(html, index, name)
      if (name === "iframe") yield { type: "open", name, attributes }
      if (name === "iframe") yield { type: "close", name }
      if (textElements.has(name)) yield { type: "text", text: html.slice(index, content.end) }
      index = content.after
    } else yield { type: "open", name, attributes }
  }
}

const attributesAt = (html: string, start: number) => {
  let end = start
  const attributes = new Map<string, string>()
  for (;;) {
    attribute.lastIndex = end
    const match = attribute.exec(html)
    if (match === null) return { attributes, end }
    end = attribute.lastIndex
    const name = match[1]?.toLowerCase() ?? ""
    const value = match[2] ?? match[3] ?? match[4] ?? ""
    const isShort = name === "href" || value.length <= maxAttributeLength
    if (keptAttributes.has(name) && !attributes.has(name) && isShort) attributes.set(name, value)
  }
}

const contentUntilEnd = (html: string, start: number, name: string) => {
  const closing = new RegExp(`</${name}(?=[\\s/>])[^>]*(?:>|$)`, "gi")
  closing.lastIndex = start
  const match = name === "plaintext" ? null : closing.exec(html)
  return match === null
    ? { end: html.length, after: html.length }
    : { end: match.index, after: closing.lastIndex }
}

/**
 * The same HTML with every tag closed in order, at a bounded depth and with the attributes that matter;
 * `undefined` where it has more than so many elements. A parser of HTML walks its stack of open elements for
 * many a tag, opens unclosed formatting again in every later block and compares every attribute with the
 * others (WHATWG 13.2.4.3, 13.2.6.4.7): each is the square of what an author can write, and what comes out of
 * here leaves a parser nothing of that to do.
 */
export const wellFormed = (html: string, maxElements: number): string | undefined => {
  const out: Array<string> = []
  const open: Array<string> = []
  /** Elements that were left out for their depth and are yet to be closed. */
  const flattened = new Map<string, number>()
  let elements = 0
  const close = () => out.push(`</${open.pop()}>`)
  for (const token of tokensOf(html)) {
    if (token.type === "text") {
      out.push(token.text.replaceAll("<", "&lt;"))
      continue
    }
    const { name } = token
    if (token.type === "close") {
      const skipped = flattened.get(name) ?? 0
      const from = open.lastIndexOf(name)
      if (skipped > 0) flattened.set(name, skipped - 1)
      else if (from !== -1) while (open.length > from) close()
      continue
    }
    elements += 1
    if (elements > maxElements) return undefined
    if (open.at(-1) === name && impliedEnds.has(name)) close()
    if (!voidElements.has(name) && open.length >= maxElementDepth) {
      flattened.set(name, (flattened.get(name) ?? 0) + 1)
      continue
    }
    out.push(`<${name}`)
    for (const [key, value] of token.attributes) out.push(` ${key}="${value.replaceAll('"', "&quot;")}"`)
    out.push(">")
    if (!voidElements.has(name)) open.push(name)
  }
  while (open.length > 0) close()
  return out.join("")
}

const breakingElements = new Set("p h1 h2 h3 h4 h5 h6 li div pre blockquote tr table ul ol hr".split(" "))

/** The words of the HTML, their character references as they are: a newline where a line breaks, a blank
 * line where a block does. */
export const wordsOf = (html: string): string => {
  let words = ""
  let out: Array<string> = []
  for (const token of tokensOf(html)) {
    if (token.type === "text") out.push(token.text.replace(/\s+/g, " ").replaceAll("<", "&lt;"))
    else if (breakingElements.has(token.name)) out.push("\n\n")
    else if (token.name === "br") out.push("\n")
    else if (token.name === "td" || token.name === "th") out.push(" ")
    if (out.length < joinedAtOnce) continue
    words += out.join("")
    out = []
  }
  return words + out.join("")
}

/** Pieces that are kept before they are one text: a text of 8 MB may have as many pieces as characters. */
const joinedAtOnce = 10_000

/** What Markdown can't carry back. */
export type Unrepresentable =
  | "attachment"
  | "callout"
  | "embed"
  | "image"
  | "mention"
  /** GFM keeps a cell on one line of plain text and marks. */
  | "multi-line table cell"

/**
 * What an element is of that, by its name (Plane's `mention-component`, `image-component`,
 * `issue-embed-component` …), its `data-type` and its `data-block-type`. A custom element that is not known
 * yet is an embed: better to refuse an update that could have been made than to lose what nobody looked at.
 */
export const kindOf = (name: string, dataType: string): Unrepresentable | undefined => {
  const component = name.includes("-") ? name : dataType
  if (/mention/.test(component)) return "mention"
  if (/callout/.test(component)) return "callout"
  if (/attachment|file/.test(component)) return "attachment"
  if (/image/.test(component) || name === "img" || name === "picture") return "image"
  if (/embed|video|drawio|math/.test(component) || name.includes("-")) return "embed"
  return /^(?:iframe|video|audio|object|embed|canvas)$/.test(name) ? "embed" : undefined
}

/** What of that the HTML holds, sorted, each once. */
export const unrepresentableIn = (html: string): ReadonlyArray<Unrepresentable> => {
  const kinds = new Set<Unrepresentable>()
  const cells = new Cells()
  for (const token of tokensOf(html)) {
    if (cells.isSplitBy(token)) kinds.add("multi-line table cell")
    if (token.type !== "open") continue
    const dataType = token.attributes.get("data-type") ?? token.attributes.get("data-block-type") ?? ""
    const kind = kindOf(token.name, dataType)
    if (kind !== undefined) kinds.add(kind)
  }
  return [...kinds].sort()
}

const blocksInCell = new Set("h1 h2 h3 h4 h5 h6 ul ol pre blockquote hr table".split(" "))
const blank = /^(?:\s|&nbsp;|&#160;|&#xa0;)*$/i

/** Follows the cells of tables, token by token. */
class Cells {
  /** The cell that is open: the words so far end in a line that is not ended, or in one that is. */
  #cell: "outside" | "empty" | "words" | "ended" = "outside"

  /** True if the token starts a second line, or a block other than a paragraph, in a cell. */
  isSplitBy(token: Token): boolean {
    if (token.type === "text") {
      if (this.#cell === "outside" || blank.test(token.text)) return false
      const isSecond = this.#cell === "ended"
      this.#cell = "words"
      return isSecond
    }
    const { name, type } = token
    if (type === "open" && this.#cell !== "outside" && blocksInCell.has(name)) return true
    if (name === "td" || name === "th") this.#cell = type === "open" ? "empty" : "outside"
    else if (name === "tr" || name === "table") this.#cell = "outside"
    else if (this.#cell === "words" && (name === "br" || breakingElements.has(name))) this.#cell = "ended"
    return false
  }
}
