import type { Nodes, PhrasingContent } from "mdast"

/**
 * Words and marks in the one form that `MarkdownTree` gives them, so that Markdown's own rules for where a
 * mark may stand (CommonMark 6.2) never make another text of it.
 */

export type Mark = Extract<PhrasingContent, { type: "emphasis" | "strong" | "delete" | "link" }>

const phrasingTypes = new Set<string>(
  "break delete emphasis image imageReference inlineCode link linkReference strong text".split(" ")
)
export const isPhrasing = (node: Nodes): node is PhrasingContent => phrasingTypes.has(node.type)

/** Neighbouring texts are one text and neighbouring equal marks one mark; no space stands beside a break. */
export const merged = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => {
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
export const trimmed = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => {
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

/** White space at the edge of a mark stands outside it (CommonMark 6.2: `** a**` is no emphasis), and so
 * does a break; a mark around nothing is none. */
export const hoisted = (
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
    ...(first?.type === "text" && /^\s/.test(first.value) ? [space] : []),
    mark(content),
    ...(last?.type === "text" && /\s$/.test(last.value) ? [space] : []),
    ...children.slice(end + 1)
  ]
}

/** The words in one line. */
export const withoutBreaks = (nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> =>
  merged(
    nodes.map((node): PhrasingContent => {
      if (node.type === "break") return { type: "text", value: " " }
      return "children" in node
        ? ({ ...node, children: withoutBreaks(node.children) } as PhrasingContent)
        : node
    })
  )

/** The white space that stood at the edges of a text. */
export const spaced = (value: string, nodes: ReadonlyArray<PhrasingContent>): Array<PhrasingContent> => [
  ...(value.startsWith(" ") ? [{ type: "text", value: " " } as const] : []),
  ...nodes,
  ...(value.endsWith(" ") ? [{ type: "text", value: " " } as const] : [])
]

export const collapsed = (text: string) => text.replace(/[ \t\n]+/g, " ")

const isBlank = (node: PhrasingContent | undefined) => node?.type === "text" && node.value.trim() === ""
