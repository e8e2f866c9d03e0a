import type { Element, ElementContent, Root as HtmlRoot } from "hast"
import type { Code, Link, List, ListItem, Root as MarkdownRoot, Nodes, Paragraph } from "mdast"
import rehypeSanitize, { type Options as Schema } from "rehype-sanitize"
import rehypeStringify from "rehype-stringify"
import remarkGfm from "remark-gfm"
import remarkParse from "remark-parse"
import remarkRehype, { type Options as ToHtmlOptions } from "remark-rehype"
import remarkStringify, { type Options as StringifyOptions } from "remark-stringify"
import { type Processor, unified } from "unified"
import { readableAddress } from "./Address.ts"
import { maxHtmlLength, type Naming, plainWordsOf, treeOfHtml } from "./HtmlTree.ts"
import { boundsUsed, exceedsBounds } from "./MarkdownBounds.ts"
import { canonical, ExceedsBounds } from "./MarkdownTree.ts"
import { paragraphsOf, plainTextToHtml, stripControls, stripInvisible } from "./PlainText.ts"
import { type Unrepresentable, unrepresentableIn } from "./TaskerHtml.ts"

/**
 * Text between agents, who write and read GitHub Flavored Markdown, and Tasker, which stores the HTML of its
 * editor. Pure and synchronous. What holds, for any input:
 *
 * - Neither output has a script, an event handler, or a link but to `http`, `https` and `mailto` (OWASP XSS
 *   Prevention: an allow-list, applied to the tree after parsing, never to the text).
 * - Markdown → HTML → Markdown → HTML gives the first HTML again.
 * - No input throws, and none takes longer than a second or two a megabyte: a text of more structure than
 *   `MarkdownBounds` allows is plain paragraphs, both ways.
 */

/** What a text without words is in Tasker's editor: Plane refuses a card whose HTML is empty. */
const emptyHtml = "<p></p>"

/**
 * Markdown as HTML that Tasker's editor understands, never empty. Raw HTML is shown as the text it is, a
 * picture becomes a link to it, footnotes stay as written; of a code fence's info string the language stays.
 */
export const markdownToHtml = (markdown: string): string => htmlOf(markdown) || emptyHtml

const htmlOf = (markdown: string): string => {
  // What shows nothing is stripped from the tree: in the source a joiner may stand beside a reference.
  const text = stripControls(markdown)
  const used = boundsUsed(text)
  if (used > 1) return plainTextToHtml(stripInvisible(text))
  try {
    const tree = settled(reader.parse(text))
    // What could only be read back as plain text is written as such.
    if (used > 0.1 && exceedsBounds(written(tree))) return plainTextToHtml(stripInvisible(text))
    const html = toHtml.stringify(toHtml.runSync(tree))
    return html.length > maxHtmlLength ? plainTextToHtml(stripInvisible(text)) : html
  } catch {
    // `ExceedsBounds`, or a fault of a library with an input nobody has seen yet: the text is worth more.
    return plainTextToHtml(stripInvisible(text))
  }
}

/**
 * Tasker's HTML as Markdown. What Markdown can't hold stands in its place as words (`@name`, `(image)`), as a
 * link or as a quote, and `unrepresentable` names it; colours, underlines and the like are left out.
 */
export const htmlToMarkdown = (html: string | null, naming?: Naming): string => {
  if (html === null) return ""
  try {
    const tree = treeOfHtml(html, naming)
    if (tree !== undefined) {
      const markdown = written(settled(tree)).trimEnd()
      if (!exceedsBounds(markdown)) return markdown
    }
  } catch {
    // As above.
  }
  return plainTextToMarkdown(plainWordsOf(html))
}

/** What the HTML holds that Markdown can't carry back: a description with any of it is not overwritten
 * unless the caller says so. */
export const unrepresentable = (html: string): ReadonlyArray<Unrepresentable> => unrepresentableIn(html)

/** Escaped, so that it is read as the same words again; a text beyond the bounds, which is taken for plain
 * when it is written, as it is. */
const plainTextToMarkdown = (text: string): string => {
  const paragraphs = paragraphsOf(text)
  const plain = paragraphs.map((lines) => lines.join("\n")).join("\n\n")
  if (exceedsBounds(plain)) return plain
  const children = paragraphs.map(
    (lines): Paragraph => ({
      type: "paragraph",
      children: lines.flatMap((value, index) => [
        ...(index === 0 ? [] : [{ type: "break" } as const]),
        { type: "text", value } as const
      ])
    })
  )
  const escaped = writer.stringify({ type: "root", children }).trimEnd()
  return markdownToHtml(escaped) === plainTextToHtml(plain) ? escaped : plain
}

/** What may be in the HTML that Tasker is given. */
const schema: Schema = {
  tagNames: (
    "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr input label li ol p pre span strong table tbody td " +
    "th thead tr ul"
  ).split(" "),
  attributes: {
    a: ["href", "title"],
    code: [["className", /^language-./]],
    input: [["type", "checkbox"], "checked"],
    li: [
      ["dataType", "taskItem"],
      ["dataChecked", "true", "false"]
    ],
    ol: ["start"],
    td: [["align", "left", "center", "right"]],
    th: [["align", "left", "center", "right"]],
    ul: [["dataType", "taskList"]]
  },
  protocols: { href: ["http", "https", "mailto"] },
  required: { input: { type: "checkbox" } }
}

/** No raw HTML, which CommonMark lets through, so `<b>` is text; and no footnotes, which Tasker lacks. */
function withoutHtmlAndFootnotes(this: Processor) {
  const data = this.data()
  data.micromarkExtensions ??= []
  data.micromarkExtensions.push({
    disable: {
      null: "htmlFlow htmlText gfmFootnoteCall gfmFootnoteDefinition gfmPotentialFootnoteCall".split(" ")
    }
  })
}

const element = (
  tagName: string,
  properties: Element["properties"],
  children: Array<ElementContent>
): Element => ({ type: "element", tagName, properties, children })

/** Lists and code as TipTap writes them: each item holds blocks, a task its box, code no last newline. */
const toHtmlOptions: ToHtmlOptions = {
  handlers: {
    break: () => element("br", {}, []),
    code: (_state, node: Code) => {
      const language = node.lang ? { className: [`language-${node.lang}`] } : {}
      return element("pre", {}, [element("code", language, [{ type: "text", value: node.value }])])
    },
    link: (state, node: Link) =>
      element("a", { href: node.url, ...(node.title ? { title: node.title } : {}) }, state.all(node)),
    list: (state, node: List) => {
      const children = state.all(node)
      if (node.ordered) return element("ol", node.start === 1 ? {} : { start: node.start ?? 1 }, children)
      const isTaskList = typeof node.children[0]?.checked === "boolean"
      return element("ul", isTaskList ? { dataType: "taskList" } : {}, children)
    },
    listItem: (state, node: ListItem) => {
      const children = state.all(node)
      if (typeof node.checked !== "boolean") return element("li", {}, children)
      const box = element("input", { type: "checkbox", checked: node.checked }, [])
      return element("li", { dataType: "taskItem", dataChecked: String(node.checked) }, [
        element("label", {}, [box, element("span", {}, [])]),
        element("div", {}, children)
      ])
    }
  }
}

/** The newlines that make HTML readable, in places where an editor might take them for text. */
const withoutIndentation = () => (tree: HtmlRoot) => {
  const clear = (node: HtmlRoot | Element) => {
    if (node.type === "element" && !/^(?:blockquote|table|thead|tbody|tr|ul|ol|li|div)$/.test(node.tagName))
      return
    node.children = node.children.filter((child) => child.type !== "text" || child.value.trim() !== "")
    for (const child of node.children) if (child.type === "element") clear(child)
  }
  clear(tree)
}

/** The canonical tree. Where its words hold a bare address, it is read once more: remark links one even if it
 * is escaped, so that the text would be another one when it is next written. */
const settled = (tree: MarkdownRoot): MarkdownRoot => {
  const first = canonical(tree)
  if (!first.mayHoldAddress) return first.tree
  const markdown = written(first.tree)
  if (exceedsBounds(markdown)) throw new ExceedsBounds()
  return canonical(reader.parse(markdown)).tree
}

const reader = unified().use(remarkParse).use(remarkGfm).use(withoutHtmlAndFootnotes).freeze()

const toHtml = unified()
  .use(remarkRehype, toHtmlOptions)
  .use(withoutIndentation)
  .use(rehypeSanitize, schema)
  .use(rehypeStringify)
  .freeze()

/** In an item only a list of words follows without a blank line: a table would go on the quote before it
 * (CommonMark 5.1, lazy continuation), a list in a list the paragraph (5.2, what may interrupt one). */
const joinInItem: NonNullable<StringifyOptions["join"]>[number] = (_left, right, parent) =>
  parent.type === "listItem" &&
  (right.type !== "list" || right.children[0]?.children[0]?.type !== "paragraph")
    ? 1
    : undefined

/** `_a_` and `**a**` can't be taken for each other where they meet. */
const writer = unified()
  .use(remarkGfm, { tablePipeAlign: false })
  .use(remarkStringify, { bullet: "-", emphasis: "_", rule: "-", listItemIndent: "one", join: [joinInItem] })
  .freeze()

/** A canonical tree as Markdown, its addresses in their reader's letters. */
const written = (tree: MarkdownRoot): string => writer.stringify(withReadableAddresses(tree))

const withReadableAddresses = <T extends Nodes>(node: T): T =>
  "children" in node
    ? {
        ...node,
        ...(node.type === "link" ? { url: readableAddress(node.url) } : {}),
        children: node.children.map(withReadableAddresses)
      }
    : node
