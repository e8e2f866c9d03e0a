import type { Element, ElementContent, Root } from "hast"
import rehypeParse from "rehype-parse"
import rehypeStringify from "rehype-stringify"
import { unified } from "unified"

const reader = unified().use(rehypeParse, { fragment: true }).freeze()
const writer = unified().use(rehypeStringify, { closeEmptyElements: false }).freeze()

export const treeOf = (html: string): Root => reader.parse(html)
export const htmlOf = (tree: Root): string => writer.stringify(tree)

/** Every element of a tree, outermost first. */
export const elementsOf = (node: Root | Element): ReadonlyArray<Element> =>
  node.children.flatMap((child) => (child.type === "element" ? [child, ...elementsOf(child)] : []))

/**
 * HTML as Plane v1.3.1 stores it: several nodes in one `div`, bare text in a `span`, `rel` on each link, no
 * `align`, `checked=""`. A link's address is percent-encoded but for letters, digits and a few signs.
 */
export const asPlaneSpells = (html: string): string => {
  const tree = treeOf(html)
  for (const element of elementsOf(tree)) {
    delete element.properties.align
    if (element.tagName !== "a") continue
    element.properties.rel = ["noopener", "noreferrer"]
    const href = element.properties.href
    if (typeof href === "string") element.properties.href = href.replace(escapedByPlane, encodeURIComponent)
  }
  const wrap = (tagName: string): Element => ({
    type: "element",
    tagName,
    properties: {},
    children: tree.children as Array<ElementContent>
  })
  const [only] = tree.children
  const wrapped =
    tree.children.length > 1 ? [wrap("div")] : only?.type === "text" ? [wrap("span")] : tree.children
  return htmlOf({ type: "root", children: wrapped })
}

const escapedByPlane = /[^\w.!~*'()@:/=?;#%&,+-]+/g
