import { Effect } from "effect"
import rehypeParse from "rehype-parse"
import rehypeSanitize, { type Options } from "rehype-sanitize"
import rehypeStringify from "rehype-stringify"
import { unified } from "unified"
import { respell } from "../plane/Html.ts"
import { invalidField, invalidTogether, mayNotBeNull, type Refusal } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

/** Elements of the editor that HTML does not know: people, pictures, files and other pages in a text. */
const components = [
  "mention-component",
  "image-component",
  "attachment-component",
  "embed-component",
  "issue-embed-component",
  "page-embed-component"
]

const componentAttributes = [
  "id",
  "entity_identifier",
  "entity_name",
  "src",
  "href",
  "title",
  "width",
  "height",
  "aspectratio",
  "alignment"
]

const allowed: Options = {
  tagNames: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "blockquote", "pre", "code"],
    ...["strong", "b", "em", "i", "u", "s", "del", "ins", "sub", "sup", "mark", "a", "img"],
    ...["ul", "ol", "li", "input", "label"],
    ...["table", "thead", "tbody", "tfoot", "tr", "th", "td", "colgroup", "col"],
    ...components
  ],
  attributes: {
    "*": ["className", "data*"],
    a: ["href", "title", "target"],
    img: ["src", "alt", "title", "width", "height"],
    input: [["type", "checkbox"], "checked", "disabled"],
    ol: ["start"],
    td: ["colSpan", "rowSpan", "align"],
    th: ["colSpan", "rowSpan", "align"],
    ...Object.fromEntries(components.map((component) => [component, componentAttributes]))
  },
  // Plane's sanitiser gives every link this `rel`, whatever it had.
  required: { a: { rel: ["noopener", "noreferrer"] }, input: { type: "checkbox" } },
  protocols: { href: ["http", "https", "mailto"], src: ["http", "https"] },
  ancestors: {
    thead: ["table"],
    tbody: ["table"],
    tfoot: ["table"],
    tr: ["table"],
    th: ["table"],
    td: ["table"]
  },
  // The text of every other element that is not allowed stays.
  strip: ["script", "style"],
  clobber: []
}

const sanitiser = unified()
  .use(rehypeParse, { fragment: true })
  .use(rehypeSanitize, allowed)
  .use(rehypeStringify)
  .freeze()

/**
 * Parses, cleans and writes the HTML anew: scripts, event handlers, `javascript:` links and unknown
 * elements are gone, unclosed tags are closed. HTML that nests deeper than the parser can follow is refused.
 */
export const sanitise = (field: string, html: string): Effect.Effect<string, Refusal> =>
  Effect.try({
    try: () => String(sanitiser.processSync(html)),
    catch: () => invalidField(field, "Expected HTML that can be parsed")
  })

export const emptyHtml = "<p></p>"

const invalidHtml = invalidTogether("description_html", "Invalid HTML passed")

/** Makes what is stored of a description. */
export const description = Effect.fnUntraced(function* (
  html: string | null,
  { refuse_empty_html, respell_html }: Pick<Switches, "refuse_empty_html" | "respell_html">
): Effect.fn.Return<string, Refusal> {
  const respelled = html === null ? undefined : yield* respelling(html)
  if (refuse_empty_html && html === null) return yield* invalidField("description_html", mayNotBeNull)
  if (refuse_empty_html && respelled === undefined) return yield* invalidHtml
  if (html === null) return emptyHtml
  return respell_html ? (respelled ?? emptyHtml) : yield* sanitise("description_html", html)
})

/** Is undefined for a text that Plane takes for empty. */
const respelling = (html: string): Effect.Effect<string | undefined, Refusal> =>
  Effect.try({
    try: () => respell(html),
    catch: () => invalidField("description_html", "Expected HTML that can be parsed")
  })
