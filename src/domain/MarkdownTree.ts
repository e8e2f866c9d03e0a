import type {
  BlockContent,
  DefinitionContent,
  ListItem,
  Nodes,
  PhrasingContent,
  Root,
  RootContent,
  Table,
  TableCell
} from "mdast"
import { maxMarkdownLength, maxNodes, maxReferenceLength, maxTableCells } from "./MarkdownBounds.ts"
import { stripInvisible } from "./PlainText.ts"

/**
 * The one form that a card's text has as a tree, whichever way it goes. Both directions bring their tree to
 * it, so that what is written as Markdown is read back as the same Markdown: no construct that only one of
 * the two languages holds, no two trees for one meaning (`**a****b**`, spaces inside a mark, a strong inside
 * a strong, loose and tight lists), no link but to the web or to a mailbox.
 */

type Flow = BlockContent | DefinitionContent
type Targets = ReadonlyMap<string, { readonly url: string; readonly title?: string | null | undefined }>
type Mark = Extract<PhrasingContent, { type: "emphasis" | "strong" | "delete" | "link" }>

/** Thrown where a small source asks for a huge document; the text is plain then. */
export class ExceedsBounds extends Error {}

export const canonical = (tree: Root): Root => {
  const targets = definitionsIn(tree)
  return { type: "root", children: new Canonical(targets).flow(tree.children) as Array<RootContent> }
}

class Canonical {
  readonly #targets: Targets
  #referenceLength = 0
  #cells = 0
  #nodes = 0
  /** The least that the Markdown of what was seen so far is long. */
  #length = 0
  #depth = 0

  constructor(targets: Targets) {
    this.#targets = targets
  }

  #count(length: number) {
    this.#nodes += 1
    this.#length += length
    if (this.#nodes > maxNodes || this.#length > maxMarkdownLength) throw new ExceedsBounds()
  }

  #nested(nodes: ReadonlyArray<Nodes>): Array<Flow> {
    this.#depth += 1
    const children = this.flow(nodes)
    this.#depth -= 1
    return children
  }

  flow(nodes: ReadonlyArray<Nodes>): Array<Flow> {
    const out: Array<Flow> = []
    let loose: Array<Nodes> = []
    const closeLoose = () => {
      this.#pushParagraph(out, loose)
      loose = []
    }
    for (const node of nodes) {
      if (isPhrasing(node)) loose.push(node)
      else {
        closeLoose()
        this.#pushFlow(out, node)
      }
    }
    closeLoose()
    return out
  }

  #pushParagraph(out: Array<Flow>, nodes: ReadonlyArray<Nodes>) {
    const children = trimmed(this.#phrasing(nodes, []))
    if (children.length === 0) return
    this.#count(2 * this.#depth)
    out.push({ type: "paragraph", children })
  }

  #pushFlow(out: Array<Flow>, node: Nodes) {
    switch (node.type) {
      case "paragraph":
        return this.#pushParagraph(out, node.children)
      case "heading": {
        // An ATX heading is one line.
        const children = trimmed(withoutBreaks(this.#phrasing(node.children, [])))
        if (children.length === 0) return
        this.#count(2 * this.#depth)
        out.push({ type: "heading", depth: node.depth, children })
        return
      }
      case "code": {
        const value = stripInvisible(node.value).replace(/^\n+|\n+$/g, "")
        this.#count(2 * this.#depth + value.length)
        out.push({ type: "code", lang: languageOf(node.lang), value })
        return
      }
      case "thematicBreak":
        this.#count(2 * this.#depth)
        out.push({ type: "thematicBreak" })
        return
      case "blockquote": {
        const children = this.#nested(node.children)
        if (children.length === 0) return
        this.#count(0)
        out.push({ type: "blockquote", children })
        return
      }
      case "list": {
        const items = node.children.map((item) => this.#item(item, node.ordered === true))
        if (node.ordered === true) {
          const start = Math.min(Math.max(node.start ?? 1, 0), 900_000_000)
          if (items.length > 0)
            out.push({ type: "list", ordered: true, start, spread: false, children: items })
          return
        }
        // Tasker's task list holds tasks only, so a list of both becomes lists of one kind after another.
        for (const item of items) {
          const list = out.at(-1)
          const first = items[0] !== item && list?.type === "list" ? list.children[0] : undefined
          if (list?.type === "list" && first !== undefined && isTask(first) === isTask(item)) {
            list.children.push(item)
          } else out.push({ type: "list", ordered: false, spread: false, children: [item] })
        }
        return
      }
      case "table":
        return this.#pushTable(out, node)
      case "html":
        return this.#pushParagraph(out, [{ type: "text", value: node.value }])
      default:
        // Definitions went into their links; an item or a row by itself gives its content.
        if (node.type !== "definition" && "children" in node) out.push(...this.flow(node.children))
    }
  }

  #item(item: ListItem, ordered: boolean): ListItem {
    const children = this.#nested(item.children)
    this.#count(2)
    const first = children[0]
    const checked = typeof item.checked === "boolean" ? item.checked : null
    const box: PhrasingContent = { type: "text", value: checked === true ? "[x]" : "[ ]" }
    if (checked === null) return { type: "listItem", spread: false, children }
    // GFM ticks a paragraph, and Tasker has no numbered tasks: there the box stays as text.
    if (first?.type !== "paragraph") {
      return {
        type: "listItem",
        spread: false,
        children: [{ type: "paragraph", children: [box] }, ...children]
      }
    }
    if (!ordered) return { type: "listItem", spread: false, checked, children }
    const paragraph = trimmed(merged([box, { type: "text", value: " " }, ...first.children]))
    return {
      type: "listItem",
      spread: false,
      children: [{ type: "paragraph", children: paragraph }, ...children.slice(1)]
    }
  }

  #pushTable(out: Array<Flow>, table: Table) {
    const columns = Math.max(...table.children.slice(0, 1).map((row) => row.children.length), 0)
    this.#cells += columns * table.children.length
    if (this.#cells > maxTableCells) throw new ExceedsBounds()
    if (columns === 0) return
    const align = Array.from({ length: columns }, (_, column) => table.align?.[column] ?? null)
    const children = table.children.map((row) => ({
      type: "tableRow" as const,
      children: Array.from({ length: columns }, (_, column): TableCell => {
        const content = withoutBreaks(this.#phrasing(inlined(row.children[column]?.children ?? []), []))
        return { type: "tableCell", children: trimmed(content) }
      })
    }))
    out.push({ type: "table", align, children })
  }

  /** `inside` are the marks around: none is put inside itself. */
  #phrasing(nodes: ReadonlyArray<Nodes>, inside: ReadonlyArray<Mark["type"]>): Array<PhrasingContent> {
    return merged(nodes.flatMap((node) => this.#inline(node, inside)))
  }

  #inline(node: Nodes, inside: ReadonlyArray<Mark["type"]>): Array<PhrasingContent> {
    switch (node.type) {
      case "text":
      case "html": {
        const value = collapsed(stripInvisible(node.value))
        this.#count(value.trim().length)
        return [{ type: "text", value }]
      }
      case "inlineCode": {
        const value = collapsed(stripInvisible(node.value))
        this.#count(value.trim().length)
        return spaced(value, value.trim() === "" ? [] : [{ type: "inlineCode", value: value.trim() }])
      }
      case "break":
        this.#count(0)
        return [{ type: "break" }]
      case "emphasis":
      case "strong":
      case "delete": {
        if (inside.includes(node.type)) return this.#phrasing(node.children, inside)
        const children = this.#phrasing(node.children, [...inside, node.type])
        this.#count(0)
        return hoisted(children, (content) => ({ type: node.type, children: content }))
      }
      case "link":
        return this.#link(node, this.#phrasing(node.children, [...inside, "link"]), inside)
      case "image":
        // A picture is fetched by whoever looks at the card or renders the agent's answer, which tells a
        // stranger's server so (and carries out what the address holds); a link waits to be followed.
        return this.#link(node, [{ type: "text", value: collapsed(stripInvisible(node.alt ?? "")) }], inside)
      case "linkReference":
      case "imageReference": {
        const target = this.#targets.get(node.identifier)
        if (target === undefined) return []
        this.#referenceLength += target.url.length + (target.title?.length ?? 0)
        if (this.#referenceLength > maxReferenceLength) throw new ExceedsBounds()
        return this.#inline(
          node.type === "linkReference"
            ? { type: "link", ...target, children: node.children }
            : { type: "image", ...target, alt: node.alt },
          inside
        )
      }
      default:
        return "children" in node ? this.#phrasing(node.children, inside) : []
    }
  }

  #link(
    target: { readonly url: string; readonly title?: string | null | undefined },
    children: Array<PhrasingContent>,
    inside: ReadonlyArray<Mark["type"]>
  ): Array<PhrasingContent> {
    const url = stripInvisible(target.url).trim()
    const address: PhrasingContent = { type: "text", value: url }
    const content = trimmed(children).length > 0 ? children : [address]
    if (inside.includes("link")) return content
    if (isWebOrMail(url)) {
      const title = collapsed(stripInvisible(target.title ?? "")).trim()
      return hoisted(content, (text) => ({
        type: "link",
        url: url.replace(/\s/g, (space) => encodeURIComponent(space)),
        title: title === "" ? null : title,
        children: text
      }))
    }
    // What a browser would read as a scheme is dropped (URL standard 4.4: it ignores tabs and newlines
    // there); a relative address leads nowhere outside the repository it was written for, so it is text.
    const isRelative = url !== "" && !/^[a-z][a-z0-9+.-]*:/i.test(url.replace(/\p{Cc}|\s/gu, ""))
    if (!isRelative) return children
    return url.startsWith("#") || content[0] === address
      ? content
      : [...content, { type: "text", value: ` (${url})` }]
  }
}

const mailAddress =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?:\?\S*)?$/i

/** A mail address is one by CommonMark 6.5; GFM's bare addresses go further and can't be written again. */
const isWebOrMail = (url: string) =>
  /^mailto:/i.test(url) ? mailAddress.test(url.slice("mailto:".length)) : /^https?:\/\/[^\s/]/i.test(url)

const isTask = (item: ListItem) => typeof item.checked === "boolean"

const phrasingTypes = new Set<string>(
  "break delete emphasis image imageReference inlineCode link linkReference strong text".split(" ")
)
const isPhrasing = (node: Nodes): node is PhrasingContent => phrasingTypes.has(node.type)

const collapsed = (text: string) => text.replace(/[ \t\n]+/g, " ")

/** The first word of the info string, as `language-…` can hold it in a class. */
const languageOf = (lang: string | null | undefined) => {
  const word = stripInvisible(lang ?? "").match(/[^\s`~&\\<>"']+/)?.[0]
  return word === undefined ? null : word
}

/** Blocks in a cell, which Markdown keeps on one line: their text, one after another. */
const inlined = (nodes: ReadonlyArray<Nodes>): Array<Nodes> =>
  nodes.flatMap((node): Array<Nodes> => {
    if (isPhrasing(node)) return [node]
    const space: Nodes = { type: "text", value: " " }
    if (node.type === "code") return [space, { type: "inlineCode", value: node.value }, space]
    return "children" in node ? [space, ...inlined(node.children), space] : []
  })

const withoutBreaks = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> =>
  merged(
    nodes.map((node): PhrasingContent => {
      if (node.type === "break") return { type: "text", value: " " }
      return "children" in node
        ? ({ ...node, children: withoutBreaks(node.children) } as PhrasingContent)
        : node
    })
  )

/** White space at the edge of a mark stands outside it (CommonMark 6.2: `** a**` is no emphasis), and so
 * does a break; a mark around nothing is none. */
const hoisted = (
  children: ReadonlyArray<PhrasingContent>,
  mark: (children: Array<PhrasingContent>) => Mark
): Array<PhrasingContent> => {
  const content = trimmed(children)
  if (content.length === 0) return [...children]
  const start = children.findIndex((node) => node.type !== "break" && !isBlank(node))
  const end = children.findLastIndex((node) => node.type !== "break" && !isBlank(node))
  const space: PhrasingContent = { type: "text", value: " " }
  const first = children[start]
  const last = children[end]
  return [
    ...children.slice(0, start),
    ...(first?.type === "text" && first.value.startsWith(" ") ? [space] : []),
    mark(content),
    ...(last?.type === "text" && last.value.endsWith(" ") ? [space] : []),
    ...children.slice(end + 1)
  ]
}

const isBlank = (node: PhrasingContent | undefined) => node?.type === "text" && node.value.trim() === ""

const spaced = (value: string, nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => [
  ...(value.startsWith(" ") ? [{ type: "text", value: " " } as const] : []),
  ...nodes,
  ...(value.endsWith(" ") ? [{ type: "text", value: " " } as const] : [])
]

/** Neighbouring texts are one text and neighbouring equal marks one mark; no space stands beside a break. */
const merged = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => {
  const out: Array<PhrasingContent> = []
  for (let index = 0; index < nodes.length; ) {
    const node = nodes[index] as PhrasingContent
    let end = index + 1
    while (end < nodes.length && joins(node, nodes[end] as PhrasingContent)) end += 1
    const run = nodes.slice(index, end)
    if (node.type === "text") {
      let value = collapsed(run.map((text) => (text.type === "text" ? text.value : "")).join(""))
      if (out.at(-1)?.type === "break") value = value.replace(/^ /, "")
      if (nodes[end]?.type === "break") value = value.replace(/ $/, "")
      if (value !== "") out.push({ type: "text", value })
    } else if (node.type === "inlineCode") {
      const value = run.map((code) => (code.type === "inlineCode" ? code.value : "")).join("")
      out.push({ type: "inlineCode", value })
    } else if (run.length > 1 && "children" in node) {
      const children = merged(run.flatMap((mark) => ("children" in mark ? mark.children : [])))
      out.push({ ...node, children } as PhrasingContent)
    } else out.push(node)
    index = end
  }
  return out
}

const joins = (left: PhrasingContent, right: PhrasingContent) =>
  left.type === right.type &&
  (left.type === "text" ||
    left.type === "inlineCode" ||
    left.type === "emphasis" ||
    left.type === "strong" ||
    left.type === "delete")

/** Without white space and breaks at either end. */
const trimmed = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => {
  const isEdge = (node: PhrasingContent | undefined) => node?.type === "break" || isBlank(node)
  let start = 0
  let end = nodes.length
  while (start < end && isEdge(nodes[start])) start += 1
  while (end > start && isEdge(nodes[end - 1])) end -= 1
  const out = nodes.slice(start, end)
  const first = out[0]
  if (first?.type === "text") out[0] = { type: "text", value: first.value.trimStart() }
  const last = out.at(-1)
  if (last?.type === "text") out[out.length - 1] = { type: "text", value: last.value.trimEnd() }
  return out
}

/** CommonMark 4.7: the first definition of a label counts. */
const definitionsIn = (tree: Root): Targets => {
  const targets = new Map<string, { readonly url: string; readonly title?: string | null | undefined }>()
  const collect = (nodes: ReadonlyArray<Nodes>) => {
    for (const node of nodes) {
      if (node.type === "definition" && !targets.has(node.identifier)) {
        targets.set(node.identifier, { url: node.url, title: node.title })
      } else if ("children" in node && !isPhrasing(node)) collect(node.children)
    }
  }
  collect(tree.children)
  return targets
}
