import type {
  BlockContent,
  DefinitionContent,
  List,
  ListItem,
  Nodes,
  PhrasingContent,
  Root,
  RootContent,
  Table,
  TableCell
} from "mdast"
import { readableAddress, webOrMail } from "./Address.ts"
import { maxMarkdownLength, maxNodes, maxReferenceLength, maxTableCells } from "./MarkdownBounds.ts"
import {
  collapsed,
  hoisted,
  isPhrasing,
  type Mark,
  merged,
  spaced,
  trimmed,
  withoutBreaks
} from "./Phrasing.ts"
import { stripInvisible } from "./PlainText.ts"

/**
 * The one form that a card's text has as a tree, whichever way it goes. Both directions bring their tree to
 * it, so that what is written as Markdown is read back as the same Markdown: no construct that only one of
 * the two languages holds, no two trees for one meaning (`**a****b**`, spaces inside a mark, a strong inside
 * a strong, loose and tight lists), no link but to the web or to a mailbox, every address an ASCII URI.
 */

type Flow = BlockContent | DefinitionContent
type Targets = ReadonlyMap<string, { readonly url: string; readonly title?: string | null | undefined }>

/** Thrown where a small source asks for a huge document; the text is plain then. */
export class ExceedsBounds extends Error {}

export const canonical = (
  tree: Root
): {
  readonly tree: Root
  /** Whether words outside links hold what GFM may take for a bare address when they are read again. */
  readonly mayHoldAddress: boolean
} => {
  const canoniser = new Canoniser(definitionsIn(tree))
  const children = canoniser.flow(tree.children) as Array<RootContent>
  return { tree: { type: "root", children }, mayHoldAddress: canoniser.mayHoldAddress }
}

class Canoniser {
  readonly #targets: Targets
  #referenceLength = 0
  #cells = 0
  #nodes = 0
  /** The least that the Markdown of what was seen so far is long. */
  #length = 0
  #depth = 0
  mayHoldAddress = false

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
        const value = withoutOuterNewlines(stripInvisible(node.value))
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
      case "list":
        return this.#pushList(out, node)
      case "table":
        return this.#pushTable(out, node)
      case "html":
        return this.#pushParagraph(out, [{ type: "text", value: node.value }])
      default:
        // Definitions went into their links; an item or a row by itself gives its content.
        if (node.type !== "definition" && "children" in node) out.push(...this.flow(node.children))
    }
  }

  #pushList(out: Array<Flow>, list: List) {
    const items = list.children.map((item) => this.#item(item, list.ordered === true))
    if (list.ordered === true) {
      const start = Math.min(Math.max(list.start ?? 1, 0), 900_000_000)
      if (items.length > 0) out.push({ type: "list", ordered: true, start, spread: false, children: items })
      return
    }
    // An empty bullet says nothing, and three inside each other would be a rule (`* * *`).
    const bullets = items.filter((item) => item.children.length > 0)
    // Tasker's task list holds tasks only, so a list of both becomes lists of one kind after another.
    for (let index = 0; index < bullets.length; ) {
      const kind = isTask(bullets[index])
      const next = bullets.findIndex((item, at) => at > index && isTask(item) !== kind)
      const end = next === -1 ? bullets.length : next
      out.push({ type: "list", ordered: false, spread: false, children: bullets.slice(index, end) })
      index = end
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
        if (!inside.includes("link") && bareAddress.test(value)) this.mayHoldAddress = true
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
    const href = webOrMail(url)
    const address: PhrasingContent = { type: "text", value: href === undefined ? url : readableAddress(href) }
    const content = trimmed(children).length > 0 ? children : [address]
    if (inside.includes("link")) return content
    if (href !== undefined) {
      const title = collapsed(stripInvisible(target.title ?? "")).trim()
      return hoisted(content, (text) => ({
        type: "link",
        url: href,
        title: title === "" ? null : title,
        children: text
      }))
    }
    this.mayHoldAddress = true
    // What a browser would read as a scheme is dropped (URL standard 4.4: it ignores tabs and newlines
    // there); a relative address leads nowhere outside the repository it was written for, so it is text.
    const isRelative = url !== "" && !/^[a-z][a-z0-9+.-]*:/i.test(url.replace(/\p{Cc}|\s/gu, ""))
    if (!isRelative) return children
    return url.startsWith("#") || content[0] === address
      ? content
      : [...content, { type: "text", value: ` (${url})` }]
  }
}

/** What GFM 6.9 starts an extended autolink at. */
const bareAddress = /:\/\/|www\.|[\w.+-]@[\w.-]/i

const isTask = (item: ListItem | undefined) => typeof item?.checked === "boolean"

/** By index: a pattern for the end would look at each newline within the code once for every one before it. */
const withoutOuterNewlines = (code: string): string => {
  let start = 0
  let end = code.length
  while (start < end && code[start] === "\n") start += 1
  while (end > start && code[end - 1] === "\n") end -= 1
  return code.slice(start, end)
}

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
