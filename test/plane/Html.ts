import type { Element, ElementContent, Nodes, Root, RootContent } from "hast"
import rehypeParse from "rehype-parse"
import { unified } from "unified"

/**
 * Respells a description as Plane stores it, which sends HTML through lxml and then nh3: the outermost element
 * is chosen, then what is not allowed is dropped. Written from measured pairs of input and output
 * (`fixtures/html.json`); the lists below are what came back. Known to differ on `noscript`, on mis-nested
 * elements and on white space in `class`: the pairs under `beyond`.
 *
 * Returns undefined if Plane refuses the text as "Invalid HTML".
 */
export const respell = (html: string): string | undefined => {
  if (isEmpty(html)) return undefined
  const root = outermost(html)
  return root.map(clean).join("").trim()
}

/** True if the text holds nothing but comments, instructions and end tags. */
const isEmpty = (html: string) =>
  html.startsWith("<?xml") || html.replace(/<!--[\s\S]*?-->|<[?!/][^>]*>/g, "").trim() === ""

const parser = unified().use(rehypeParse, { fragment: false }).freeze()

const children = (node: Nodes, tagName: string): ReadonlyArray<RootContent> => {
  if (node.type === "element" && node.tagName === tagName) return node.children
  return "children" in node ? node.children.flatMap((child) => children(child, tagName)) : []
}

/** Keeps a whole document as a list of nodes and a single element as it is, and wraps anything else. */
const outermost = (html: string): ReadonlyArray<RootContent> => {
  const document: Root = parser.parse(html)
  const head = children(document, "head")
  const body = children(document, "body")
  const written = body.filter((node) => node.type !== "comment")
  if (/^\s*<(?:html|!doctype)/i.test(html)) return [...head, ...body]
  if (written.length === 0) return head
  const elements = body.filter((node) => node.type !== "text")
  const texts = body.filter((node) => node.type === "text")
  // Blank text after a single element is kept, because lxml writes an element with what follows it.
  if (
    elements.length === 1 &&
    elements[0]?.type === "element" &&
    texts.every(({ value }) => value.trim() === "")
  ) {
    return body.slice(body.findIndex((node) => node.type === "element"))
  }
  const tagName = body.some(hasBlock) ? "div" : "span"
  return [{ type: "element", tagName, properties: {}, children: body as Array<ElementContent> }]
}

const blocks = new Set(
  (
    "address article aside blockquote center dd details dir div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 " +
    "header hgroup hr li menu nav noscript ol p pre section table ul"
  ).split(" ")
)
const hasBlock = (node: RootContent): boolean =>
  node.type === "element" && (blocks.has(node.tagName) || node.children.some(hasBlock))

const kept = new Set(
  (
    "a abbr acronym area article aside b bdi bdo blockquote br caption center cite code col colgroup data dd del " +
    "details dfn div dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i image-component img input " +
    "ins kbd label li map mark mention-component nav ol p pre q rp rt ruby s samp small span strike strong sub summary " +
    "sup table tbody td th thead time tr tt u ul var wbr"
  ).split(" ")
)
/** Elements that go with their content; of every other element that is not kept the content stays. */
const gone = new Set(["script", "style", "template"])
const empty = new Set(["area", "br", "col", "hr", "img", "input", "wbr"])

const everywhere = (
  "id class style title type start role aria-label data-id data-type data-checked data-name data-text-color " +
  "data-background-color data-block-type data-emoji-unicode data-logo-in-use data-icon-name data-icon-color " +
  "data-node-type data-tight data-background"
).split(" ")
const only: Readonly<Record<string, ReadonlyArray<string>>> = {
  a: ["href", "target"],
  code: ["spellcheck"],
  "image-component": ["width", "height", "src", "aspectratio", "alignment", "status"],
  img: ["width", "height", "alt", "src", "aspectratio", "alignment"],
  input: ["checked"],
  "mention-component": ["entity_identifier", "entity_name"],
  td: ["colspan", "rowspan", "colwidth", "textcolor", "background"],
  th: ["colspan", "rowspan", "colwidth", "background"],
  tr: ["textcolor", "background"]
}
const schemes = new Set(["http:", "https:", "mailto:", "tel:"])

/** Turns hast's name of a property into the attribute's. */
const attributeOf = (property: string) =>
  property === "className"
    ? "class"
    : /^(data|aria)[A-Z]/.test(property)
      ? property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      : property.toLowerCase()

const escapeText = (text: string) =>
  text
    .replace(/&/g, "&amp;")
    .replace(/\u00a0/g, "&nbsp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
const escapeValue = (text: string) =>
  text
    .replace(/&/g, "&amp;")
    .replace(/\u00a0/g, "&nbsp;")
    .replace(/"/g, "&quot;")

/** Percent-encodes white space, controls and everything beyond ASCII, and nothing else. */
const encodeUrl = (url: string) =>
  url.trimStart().replace(/[\s\p{Cc}]|\P{ASCII}+/gu, (part) => encodeURIComponent(part))

const isAllowed = (url: string) =>
  URL.canParse(url) ? schemes.has(new URL(url).protocol) : !/^[a-z][a-z0-9+.-]*:/i.test(url)

const attributes = ({ properties, tagName }: Element) => {
  const allowed = [...everywhere, ...(only[tagName] ?? [])]
  const written = Object.entries(properties).flatMap(([property, value]) => {
    const name = attributeOf(property)
    if (value === null || value === undefined || value === false || !allowed.includes(name)) return []
    const raw = value === true ? "" : Array.isArray(value) ? value.join(" ") : String(value)
    if (name !== "href" && name !== "src") return [` ${name}="${escapeValue(raw)}"`]
    const url = encodeUrl(raw)
    return isAllowed(url) ? [` ${name}="${escapeValue(url)}"`] : []
  })
  return [...written, ...(tagName === "a" ? [' rel="noopener noreferrer"'] : [])].join("")
}

const clean = (node: RootContent): string => {
  if (node.type === "text") return escapeText(node.value)
  if (node.type !== "element" || gone.has(node.tagName)) return ""
  const inside = node.children.map(clean).join("")
  if (!kept.has(node.tagName)) return inside
  const start = `<${node.tagName}${attributes(node)}>`
  return empty.has(node.tagName) ? start : `${start}${inside}</${node.tagName}>`
}
