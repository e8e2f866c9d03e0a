/**
 * HTML as a tagged template in which whatever is put in is text. Only what this template itself has made goes
 * in as markup, so that a value that nobody thought of can't become any. Attributes are always quoted in the
 * templates, for which the same escaping holds.
 */
export class Html {
  readonly #markup: string
  constructor(markup: string) {
    this.#markup = markup
  }
  toString(): string {
    return this.#markup
  }
}

/** What can stand in a template: nothing is written for `undefined`, `null` and `false`. */
export type Part = Html | string | number | undefined | null | false | ReadonlyArray<Part>

export const html = (literals: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Html =>
  new Html(literals.reduce((before, literal, i) => before + written(parts[i - 1]) + literal))

const written = (part: Part): string => {
  if (part === undefined || part === null || part === false) return ""
  if (part instanceof Html) return part.toString()
  if (typeof part === "object") return part.map(written).join("")
  return escaped(String(part))
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? "")
