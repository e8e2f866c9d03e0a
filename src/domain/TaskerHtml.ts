import type { Element, ElementContent, Nodes, Root, RootContent } from "hast"

/**
 * Tasker's HTML, as Plane's editor (TipTap) stores it: its components, its task lists, and how it is brought
 * to what any HTML reader understands.
 */

export type Unrepresentable = "mention" | "image" | "embed" | "attachment"

/** Elements inside each other that are kept; of deeper ones the text is. A task list takes three a level. */
const maxElementDepth = 128
/** Where a document is large, indenting every line for every level is what costs. */
const maxElementDepthWhenLarge = 24
const largeLength = 65_536
/** An address longer than this is a picture inlined as base64, which nobody reads. */
const maxAttributeLength = 4_096

const voidElements = new Set("br col embed hr img input source track wbr".split(" "))
/** Their content is code or a document of its own: gone, with or without the element (WHATWG 13.2.5). */
const opaqueElements = new Set("script style iframe noembed noframes".split(" "))
/** Their content is text, whatever it looks like. */
const textElements = new Set("textarea title xmp plaintext".split(" "))
/** They switch the parser into modes of its own; their content is read as if they were not there. */
const transparentElements = new Set(
  "html head body frameset frame template select option optgroup noscript math base link meta form".split(" ")
)
const renamed: Record<string, string> = { svg: "picture", image: "img" }
const impliedEnds = new Set("p li td th tr dt dd".split(" "))
const attributes = new Set(
  (
    "href title src alt start class type checked align colspan rowspan id name label entity_identifier " +
    "entity_name data-type data-checked data-block-type data-name data-src"
  ).split(" ")
)

const tagOpening = /<(\/?)([a-zA-Z][a-zA-Z0-9_-]*)/y
const attribute = /[\s/]+|([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/y
const markupDeclaration = /<!--[\s\S]*?(?:-->|$)|<[!?/][^>]*(?:>|$)/y

/**
 * The same HTML with every tag closed in order, at a bounded depth and with the attributes that matter.
 * An HTML parser walks its stack of open elements for many a tag, opens unclosed formatting again in every
 * later block and compares every attribute with the others (WHATWG 13.2.4.3, 13.2.6.1): each is a square of
 * what an author can write. What comes out of here leaves it nothing of that to do. One pass; never throws.
 */
export const wellFormed = (html: string): string => {
  const maxDepth = html.length > largeLength ? maxElementDepthWhenLarge : maxElementDepth
  const out: Array<string> = []
  const open: Array<string> = []
  const flattened = new Map<string, number>()
  let index = 0
  const text = (end: number) => {
    if (end > index) out.push(html.slice(index, end).replaceAll("<", "&lt;"))
    index = end
  }
  while (index < html.length) {
    const next = html.indexOf("<", index)
    text(next === -1 ? html.length : next)
    if (next === -1) break
    tagOpening.lastIndex = next
    const tag = tagOpening.exec(html)
    if (tag === null) {
      markupDeclaration.lastIndex = next
      if (markupDeclaration.test(html)) index = markupDeclaration.lastIndex
      else text(next + 1)
      continue
    }
    const written = (tag[2] ?? "").toLowerCase()
    const name = renamed[written] ?? written
    const attributeText = attributesAt(html, tagOpening.lastIndex)
    const end = attributeText.end
    if (html[end] !== ">") {
      text(end)
      continue
    }
    index = end + 1
    if (transparentElements.has(name)) continue
    if (tag[1] === "/") {
      const skipped = flattened.get(name) ?? 0
      const from = open.lastIndexOf(name)
      if (skipped > 0) flattened.set(name, skipped - 1)
      else if (from !== -1) while (open.length > from) out.push(`</${open.pop()}>`)
    } else if (opaqueElements.has(name) || textElements.has(name)) {
      const content = contentUntilEnd(html, index, name)
      if (name === "iframe") out.push(`<iframe${attributeText.kept}></iframe>`)
      if (textElements.has(name)) text(content.end)
      index = content.after
    } else if (voidElements.has(name)) out.push(`<${name}${attributeText.kept}>`)
    else {
      if (open.at(-1) === name && impliedEnds.has(name)) out.push(`</${open.pop()}>`)
      if (open.length >= maxDepth) flattened.set(name, (flattened.get(name) ?? 0) + 1)
      else {
        open.push(name)
        out.push(`<${name}${attributeText.kept}>`)
      }
    }
  }
  while (open.length > 0) out.push(`</${open.pop()}>`)
  return out.join("")
}

/** The attributes of a tag from here on; every character is looked at once, whether it is a tag or not. */
const attributesAt = (html: string, start: number) => {
  let end = start
  const kept = new Map<string, string>()
  for (;;) {
    attribute.lastIndex = end
    const match = attribute.exec(html)
    if (match === null) break
    end = attribute.lastIndex
    const name = match[1]?.toLowerCase() ?? ""
    const value = match[2] ?? match[3] ?? match[4] ?? ""
    if (attributes.has(name) && !kept.has(name) && value.length <= maxAttributeLength) kept.set(name, value)
  }
  return {
    end,
    kept: [...kept].map(([name, value]) => ` ${name}="${value.replaceAll('"', "&quot;")}"`).join("")
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

/** What an element is of that Markdown can't carry back; a component that is not known yet is an embed. */
const kindOf = (element: Element): Unrepresentable | undefined => {
  const { tagName } = element
  const block = String(element.properties.dataType ?? element.properties.dataBlockType ?? "")
  const component = tagName.includes("-") ? tagName : block
  if (/mention/.test(component)) return "mention"
  if (/attachment|file/.test(component)) return "attachment"
  if (/image/.test(component) || tagName === "img" || tagName === "picture") return "image"
  if (/embed|video|drawio|math/.test(component) || tagName.includes("-")) return "embed"
  return /^(?:iframe|video|audio|object|embed|canvas)$/.test(tagName) ? "embed" : undefined
}

/** What the tree holds that Markdown can't carry back, sorted, each once. */
export const unrepresentableIn = (tree: Root): ReadonlyArray<Unrepresentable> => {
  const kinds = new Set<Unrepresentable>()
  const visit = (node: Nodes) => {
    const kind = node.type === "element" ? kindOf(node) : undefined
    if (kind !== undefined) kinds.add(kind)
    if ("children" in node) for (const child of node.children) visit(child)
  }
  visit(tree)
  return [...kinds].sort()
}

const blockElements = new Set(
  (
    "address article aside center dd details dialog dl dt fieldset figcaption figure footer header hgroup " +
    "legend main menu nav search section summary"
  ).split(" ")
)

/**
 * A plugin: Tasker's components become words or links that a reader of Markdown sees in their place, its
 * task items the form GFM has, blocks that Markdown does not know plain divisions.
 */
export const readComponents = () => (tree: Root) => {
  const spans = { left: maxSpannedCells }
  tree.children = tree.children.flatMap((node) => read(node, spans)) as Array<RootContent>
}

/** Cells that merged cells may be spread to, in one document. */
const maxSpannedCells = 1_000

const read = (node: RootContent, spans: { left: number }): Array<ElementContent> => {
  // Made anew without positions: the steps after it copy the tree, and positions are most of it.
  if (node.type === "text") return [{ type: "text", value: node.value }]
  if (node.type !== "element") return []
  const kind = kindOf(node)
  const children = node.children.flatMap((child) => read(child, spans))
  if (kind !== undefined) return [...placeholder(node, kind), ...children]
  const { tagName, properties } = node
  if (blockElements.has(tagName)) return [element("div", {}, children)]
  if (properties.dataType === "emoji" && children.length === 0) {
    return [{ type: "text", value: `:${String(properties.dataName ?? "emoji")}:` }]
  }
  if (tagName === "li" && properties.dataType === "taskItem") {
    const content = children.filter((child) => child.type !== "element" || child.tagName !== "label")
    const checked = String(properties.dataChecked) === "true"
    const box = element("input", { type: "checkbox", checked }, [])
    return [element("li", {}, [box, ...content.flatMap(unwrapDivision)])]
  }
  if (tagName === "td" || tagName === "th") {
    const cells = Math.max(Number(properties.colSpan ?? 1), 1) * Math.max(Number(properties.rowSpan ?? 1), 1)
    const spread = cells > 1 && cells <= spans.left
    if (spread) spans.left -= cells
    const { align, colSpan, rowSpan } = properties
    return [element(tagName, { align, ...(spread ? { colSpan, rowSpan } : {}) }, children)]
  }
  return [element(tagName, properties, children)]
}

const unwrapDivision = (node: ElementContent): Array<ElementContent> =>
  node.type === "element" && node.tagName === "div" ? node.children : [node]

export const element = (
  tagName: string,
  properties: Element["properties"],
  children: Array<ElementContent>
): Element => ({ type: "element", tagName, properties, children })

/** A person mentioned stands as `@` and the name or, where the card holds none, the member's id; the rest as
 * a link where its address is one, else in parentheses. */
const placeholder = (component: Element, kind: Unrepresentable): Array<ElementContent> => {
  const {
    src,
    dataSrc,
    alt,
    title,
    label,
    dataName,
    name,
    entity_identifier: identifier
  } = component.properties
  // A picture in HTML's own sense may stand in a line, the others are blocks of the editor.
  const block = (node: ElementContent) =>
    component.tagName === "img" ? [node] : [element("div", {}, [node])]
  const firstOf = (...values: Array<unknown>) =>
    values.map((value) => (typeof value === "string" ? value.trim() : "")).find((value) => value !== "") ?? ""
  if (kind === "mention")
    return [{ type: "text", value: `@${firstOf(label, title, identifier) || "mention"}` }]
  const words = firstOf(alt, title, dataName, label, name)
  const address = firstOf(src, dataSrc)
  if (/^https?:\/\//i.test(address)) {
    const value = words === "" ? kind : words
    return block(element("a", { href: address }, [{ type: "text", value }]))
  }
  const detail = words === "" ? firstOf(identifier) : words
  return block({ type: "text", value: detail === "" ? `(${kind})` : `(${kind}: ${detail})` })
}
