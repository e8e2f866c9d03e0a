import type { List, Nodes, PhrasingContent, Root, Table } from "mdast"
import { comparableAddress } from "./Address.ts"
import { plainWordsOf, treeOfHtml } from "./HtmlTree.ts"
import { canonical } from "./MarkdownTree.ts"
import { normalForm } from "./normalForm.ts"

/**
 * True if two HTML texts say the same: their Markdown trees are equal once wrapping elements, white space,
 * empty blocks, the alignment of tables and the spelling of addresses are set aside. That is as much as a
 * Tasker changes when it parses, cleans and stores a text. Texts beyond the bounds of structure are compared
 * by their words.
 */
export const sameText = (one: string | null, other: string | null): boolean => {
  if (one === other) return true
  const [first, second] = [meaningOf(one ?? ""), meaningOf(other ?? "")]
  return first === undefined || second === undefined ? sameWords(one, other) : first === second
}

/** True if two HTML texts have the same words, signs included, whatever their markup. */
export const sameWords = (one: string | null, other: string | null): boolean =>
  comparable(one ?? "") === comparable(other ?? "")

/** True if two names of cards differ in nothing but white space and compatibility forms (UAX #15, NFKC). */
export const sameName = (one: string, other: string): boolean =>
  spaced(normalForm(one, "NFKC")) === spaced(normalForm(other, "NFKC"))

const comparable = (html: string): string => spaced(normalForm(plainWordsOf(html), "NFC"))

const spaced = (text: string): string => text.replace(/\s+/g, " ").trim()

/** Lists of texts, so that one JSON is one meaning. */
type Meaning = string | ReadonlyArray<Meaning>

/** Returns one string for all HTML texts that say the same; undefined if the text is beyond the bounds. */
const meaningOf = (html: string): string | undefined => {
  try {
    const tree = treeOfHtml(html)
    return tree && normalForm(JSON.stringify(ofBlocks(canonical(tree).tree.children)), "NFC")
  } catch {
    // `ExceedsBounds`, or a fault of the parser.
    return undefined
  }
}

const ofBlocks = (nodes: Root["children"]): ReadonlyArray<Meaning> => nodes.flatMap(ofBlock)

const ofBlock = (node: Nodes): ReadonlyArray<Meaning> => {
  switch (node.type) {
    case "paragraph":
      return [["p", ofWords(node.children)]]
    case "heading":
      return [[`h${node.depth}`, ofWords(node.children)]]
    case "code":
      return node.value.trim() === "" ? [] : [["code", node.lang ?? "", node.value]]
    case "thematicBreak":
      return [["hr"]]
    case "blockquote": {
      const content = ofBlocks(node.children)
      return content.length === 0 ? [] : [["quote", ...content]]
    }
    case "list":
      return [ofList(node)]
    case "table":
      return [ofTable(node)]
    default:
      return []
  }
}

const ofList = ({ children, ordered, start }: List): Meaning => [
  ordered ? `ol ${start ?? 1}` : "ul",
  ...children.map((item): Meaning => [boxOf(item.checked), ...ofBlocks(item.children)])
]

const boxOf = (checked: boolean | null | undefined): string =>
  typeof checked === "boolean" ? (checked ? "[x]" : "[ ]") : ""

const ofTable = ({ children }: Table): Meaning => [
  "table",
  ...children.map((row) => row.children.map((cell) => ofWords(cell.children)))
]

/** Words under the same marks. */
interface Run {
  readonly marks: string
  text: string
}

/** The words of a block as runs, so that the order in which marks lie in each other makes no difference. */
const ofWords = (nodes: ReadonlyArray<PhrasingContent>): Meaning => {
  const runs: Array<Run> = []
  collect(nodes, [], runs)
  return runs.map(({ marks, text }) => [marks, text.replace(/\s+/g, " ")])
}

const collect = (
  nodes: ReadonlyArray<PhrasingContent>,
  marks: ReadonlyArray<string>,
  runs: Array<Run>
): void => {
  for (const node of nodes) {
    if (node.type === "text") push(node.value, marks, runs)
    else if (node.type === "inlineCode") push(node.value, [...marks, "code"], runs)
    else if (node.type === "break") runs.push({ marks: "break", text: "" })
    else if (node.type === "link" && !isBare(node)) {
      collect(node.children, [...marks, `link ${comparableAddress(node.url)} ${node.title ?? ""}`], runs)
    } else if ("children" in node) {
      collect(node.children, node.type === "link" ? marks : [...marks, node.type], runs)
    }
  }
}

const push = (text: string, marks: ReadonlyArray<string>, runs: Array<Run>): void => {
  const under = marks.toSorted().join(" ")
  const last = runs.at(-1)
  if (last?.marks === under) last.text += text
  else runs.push({ marks: under, text })
}

/** True if a link is to the address that its words are: editors link such words, and GFM reads them as a link. */
const isBare = (node: PhrasingContent & { readonly type: "link" }): boolean => {
  const [words, ...others] = node.children
  if (words?.type !== "text" || others.length > 0 || node.title) return false
  const address = comparableAddress(node.url)
  return ["", "http://", "mailto:"].some((scheme) => comparableAddress(scheme + words.value) === address)
}
