import type { Element, Nodes as HtmlNodes, Root as HtmlRoot, Properties } from "hast"
import type {
  AlignType,
  BlockContent,
  Nodes,
  Parents,
  PhrasingContent,
  Root,
  RootContent,
  TableCell,
  TableRow
} from "mdast"
import rehypeParse from "rehype-parse"
import { unified } from "unified"
import { maxTableCells } from "./MarkdownBounds.ts"
import { stripInvisible } from "./PlainText.ts"
import { kindOf, type Unrepresentable, wellFormed, wordsOf } from "./TaskerHtml.ts"

/** Elements of HTML that is still read for its structure: as many as the longest Markdown becomes, and more. */
const maxElements = 40_000
export const maxHtmlLength = 1_048_576

/** What the caller knows and the HTML does not say. */
export interface Naming {
  /** The name of a member, for a mention that holds an id only. */
  readonly nameOf?: ((id: string) => string | undefined) | undefined
}

/** Returns the tree of an HTML text, not yet canonical; undefined if the text is beyond the bounds. */
export const treeOfHtml = (html: string, { nameOf }: Naming = {}): Root | undefined => {
  const source = html.length > maxHtmlLength ? undefined : wellFormed(html, maxElements)
  if (source === undefined) return undefined
  const tree = parser.parse(source)
  if (nameOf !== undefined) nameMentions(tree, nameOf)
  return fromHtml(tree)
}

/** Returns the words of an HTML text of any size, as `wordsOf` parts them, character references decoded. */
export const plainWordsOf = (html: string): string => {
  // One text node, so that the parser does nothing but decode its character references.
  const text = parser.parse(wordsOf(html)).children.map((node) => (node.type === "text" ? node.value : ""))
  return stripInvisible(text.join(""))
}

const parser = unified().use(rehypeParse, { fragment: true }).freeze()

const nameMentions = (node: HtmlNodes, nameOf: (id: string) => string | undefined): void => {
  if (node.type === "element" && kindOfElement(node) === "mention") {
    const name = nameOf(String(node.properties.entity_identifier ?? ""))
    if (name !== undefined) node.properties.label = name
  }
  if ("children" in node) for (const child of node.children) nameMentions(child, nameOf)
}

const kindOfElement = ({ properties, tagName }: Element): Unrepresentable | undefined =>
  kindOf(tagName, String(properties.dataType ?? properties.dataBlockType ?? ""))

/**
 * HTML as a Markdown tree: an allow-list by construction, since an element that is not named here gives its
 * content and nothing of its own. `MarkdownTree.canonical` brings the result to form, so blocks and words
 * may stand side by side in it. (rehype-remark does this too, with the square of an element's children:
 * half a minute for 400 KB of `<img>`.)
 */
const fromHtml = (tree: HtmlRoot): Root => ({
  type: "root",
  children: read(tree.children) as Array<RootContent>
})

const read = (nodes: ReadonlyArray<HtmlNodes>): Array<Nodes> =>
  nodes.flatMap((node) => {
    if (node.type === "text") return [{ type: "text", value: node.value }]
    return node.type === "element" ? readElement(node) : []
  })

const blockElements = new Set(
  (
    "p div address article aside caption center dd details dialog dl dt fieldset figcaption figure footer header " +
    "hgroup legend main menu nav search section summary"
  ).split(" ")
)

const readElement = (element: Element): Array<Nodes> => {
  const { tagName, properties, children } = element
  const kind = kindOfElement(element)
  if (kind === "callout") return [{ type: "blockquote", children: read(children) as Array<BlockContent> }]
  if (kind !== undefined) return [...placeholder(element, kind), ...read(children)]
  if (blockElements.has(tagName)) return blocks(read(children))
  switch (tagName) {
    case "h1":
    case "h2":
    case "h3":
    case "h4":
    case "h5":
    case "h6": {
      const depth = Number(tagName[1]) as 1 | 2 | 3 | 4 | 5 | 6
      return [{ type: "heading", depth, children: read(children) as Array<PhrasingContent> }]
    }
    case "blockquote":
      return [{ type: "blockquote", children: read(children) as Array<BlockContent> }]
    case "hr":
      return [{ type: "thematicBreak" }]
    case "br":
      return [{ type: "break" }]
    case "pre":
      return [{ type: "code", lang: languageOf(element), value: textOf(element) }]
    case "code":
      return [{ type: "inlineCode", value: textOf(element) }]
    case "em":
    case "i":
      return marked(read(children), (content) => ({ type: "emphasis", children: content }))
    case "strong":
    case "b":
      return marked(read(children), (content) => ({ type: "strong", children: content }))
    case "del":
    case "s":
    case "strike":
      return marked(read(children), (content) => ({ type: "delete", children: content }))
    case "a": {
      const url = String(properties.href ?? "")
      const title = typeof properties.title === "string" ? properties.title : null
      return marked(read(children), (content) => ({ type: "link", url, title, children: content }))
    }
    case "ul":
    case "ol":
      return [list(element)]
    case "table":
      return table(element)
    case "input":
      return properties.type === "checkbox"
        ? [{ type: "text", value: properties.checked ? "[x] " : "[ ] " }]
        : []
    case "span":
      return properties.dataType === "emoji" && children.length === 0
        ? [{ type: "text", value: `:${String(properties.dataName ?? "emoji")}:` }]
        : read(children)
    default:
      return read(children)
  }
}

const phrasingTypes = new Set("text inlineCode break emphasis strong delete link".split(" "))

/** Loose words between blocks are paragraphs. */
const blocks = (nodes: ReadonlyArray<Nodes>): Array<Nodes> => {
  const out: Array<Nodes> = []
  let paragraph: Array<PhrasingContent> | undefined
  for (const node of nodes) {
    if (!phrasingTypes.has(node.type)) {
      out.push(node)
      paragraph = undefined
    } else {
      if (paragraph === undefined) {
        paragraph = []
        out.push({ type: "paragraph", children: paragraph })
      }
      paragraph.push(node as PhrasingContent)
    }
  }
  return out
}

/** A mark around words; where HTML puts it around blocks, around the words of each. */
const marked = (
  nodes: ReadonlyArray<Nodes>,
  mark: (children: Array<PhrasingContent>) => PhrasingContent
): Array<Nodes> => {
  if (nodes.every((node) => phrasingTypes.has(node.type))) return [mark(nodes as Array<PhrasingContent>)]
  return blocks(nodes).map((node) => {
    if (!("children" in node)) return node
    const children: Array<Nodes> = node.children
    const isText = children.every((child) => phrasingTypes.has(child.type))
    const content = isText ? [mark(children as Array<PhrasingContent>)] : marked(children, mark)
    return { ...node, children: content } as Parents
  })
}

const list = (element: Element): Nodes => {
  const items: Array<Nodes & { type: "listItem" }> = []
  for (const child of element.children) {
    if (child.type === "element" && child.tagName === "li") items.push(item(child))
    else {
      // A list straight inside a list, or words between the items: they belong to the item before.
      const content = read([child]).filter((node) => node.type !== "text" || node.value.trim() !== "")
      if (content.length === 0) continue
      const last = items.at(-1)
      if (last !== undefined) last.children.push(...(content as Array<BlockContent>))
      else items.push({ type: "listItem", children: content as Array<BlockContent> })
    }
  }
  if (element.tagName === "ul") return { type: "list", ordered: false, children: items }
  const start = Number.parseInt(String(element.properties.start ?? 1), 10)
  return { type: "list", ordered: true, start: Number.isNaN(start) ? 1 : start, children: items }
}

const isElement = <T extends string>(
  node: HtmlNodes | undefined,
  tagName: T
): node is Element & { readonly tagName: T } => node?.type === "element" && node.tagName === tagName

/** TipTap says in attributes what is done and draws the box in a label; GFM's own HTML starts with the box. */
const item = (element: Element): Nodes & { type: "listItem" } => {
  const content = element.children.filter((child) => child.type !== "text" || child.value.trim() !== "")
  if (element.properties.dataType === "taskItem") {
    const checked = String(element.properties.dataChecked) === "true"
    const words = content.filter((child) => !isElement(child, "label"))
    return { type: "listItem", checked, children: read(words) as Array<BlockContent> }
  }
  const [first, ...rest] = content
  const isAround = isElement(first, "p") || isElement(first, "label")
  const box = isAround ? first.children[0] : first
  if (!isElement(box, "input") || box.properties.type !== "checkbox") {
    return { type: "listItem", children: read(element.children) as Array<BlockContent> }
  }
  const words: ReadonlyArray<HtmlNodes> = isAround
    ? [{ ...first, children: first.children.slice(1) }, ...rest]
    : element.children.filter((child) => child !== box)
  return {
    type: "listItem",
    checked: Boolean(box.properties.checked),
    children: read(words) as Array<BlockContent>
  }
}

/** GFM's tables have a header and no merged cells: a table without a header gets an empty one, a merged cell
 * is followed by the empty ones that it covers. */
const table = (element: Element): Array<Nodes> => {
  const captions: Array<Nodes> = []
  const rows: Array<Element> = []
  for (const part of element.children) {
    if (isElement(part, "tr")) rows.push(part)
    else if (part.type === "element" && /^(?:thead|tbody|tfoot)$/.test(part.tagName)) {
      rows.push(...part.children.filter((child) => isElement(child, "tr")))
    } else captions.push(...read([part]))
  }
  const align: Array<AlignType> = []
  const grid: Array<Array<TableCell>> = rows.map(() => [])
  let covered = 0
  for (const [y, row] of rows.entries()) {
    let x = 0
    for (const cell of row.children) {
      if (cell.type !== "element") continue
      while (grid[y]?.[x] !== undefined) x += 1
      align[x] ??= alignOf(cell.properties)
      const [width, height] = [spanOf(cell.properties.colSpan), spanOf(cell.properties.rowSpan)]
      covered += width * height - 1
      const isSpread = covered <= maxTableCells
      for (let dy = 0; dy < (isSpread ? Math.min(height, rows.length - y) : 1); dy++) {
        for (let dx = 0; dx < (isSpread ? width : 1); dx++) {
          const content = dx + dy === 0 ? read(cell.children) : []
          const target = grid[y + dy]
          if (target !== undefined)
            target[x + dx] = { type: "tableCell", children: content as Array<PhrasingContent> }
        }
      }
    }
  }
  const hasHeader = rows[0]?.children.some((cell) => isElement(cell, "th")) ?? false
  if (!hasHeader) grid.unshift([])
  const columns = grid.reduce((widest, row) => Math.max(widest, row.length), 0)
  const header = grid[0]
  if (header !== undefined && columns > 0) header.length = columns
  const children = grid.map(
    (row): TableRow => ({
      type: "tableRow",
      children: Array.from(row, (cell) => cell ?? { type: "tableCell", children: [] })
    })
  )
  return [...blocks(captions), { type: "table", align, children }]
}

const spanOf = (value: Properties[string]) =>
  Math.min(Math.max(Number.parseInt(String(value), 10) || 1, 1), 1_000)

const alignOf = ({ align }: Properties): AlignType =>
  align === "left" || align === "center" || align === "right" ? align : null

const languageOf = (pre: Element): string | null => {
  const classes = [pre, ...pre.children].flatMap((node) =>
    node.type === "element" && Array.isArray(node.properties.className) ? node.properties.className : []
  )
  const language = classes.map(String).find((name) => name.startsWith("language-"))
  return language?.slice("language-".length) ?? null
}

const textOf = (node: HtmlNodes): string => {
  if (node.type === "text") return node.value
  if (isElement(node, "br")) return "\n"
  return "children" in node ? node.children.map(textOf).join("") : ""
}

/** A person mentioned stands as `@` and the name or, where the card holds none, the member's id; the rest as
 * a link where its address is one, else in parentheses. */
const placeholder = (element: Element, kind: Unrepresentable): Array<Nodes> => {
  const {
    src,
    dataSrc,
    alt,
    title,
    label,
    dataName,
    name,
    entity_identifier: identifier
  } = element.properties
  const firstOf = (...values: Array<Properties[string]>) =>
    values.map((value) => (typeof value === "string" ? value.trim() : "")).find((value) => value !== "")
  if (kind === "mention") {
    return [{ type: "text", value: `@${firstOf(label, title, identifier) ?? "mention"}` }]
  }
  const words = firstOf(alt, title, dataName, label, name)
  const url = firstOf(src, dataSrc) ?? ""
  const detail = words ?? firstOf(identifier)
  const shown: PhrasingContent = /^https?:\/\//i.test(url)
    ? { type: "link", url, children: [{ type: "text", value: words ?? kind }] }
    : { type: "text", value: detail === undefined ? `(${kind})` : `(${kind}: ${detail})` }
  // HTML's own picture may stand in a line, the others are blocks of the editor.
  return element.tagName === "img" ? [shown] : [{ type: "paragraph", children: [shown] }]
}
