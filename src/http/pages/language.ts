import type { Language } from "../../domain/Language.ts"

/** Where a language may be named, from what a person pressed to what the browser was set to. */
export interface LanguageWishes {
  /** `lang` of the form or the query. */
  readonly chosen?: string | undefined
  /** `ui_locales` of the request: tags parted by spaces, the best first (OpenID Connect Core section 3.1.2.1). */
  readonly uiLocales?: string | undefined
  readonly acceptLanguage?: string | undefined
}

/** The language of a page: Russian or English, English where neither is asked for. Nothing here is refused. */
export const languageOf = ({ acceptLanguage, chosen, uiLocales }: LanguageWishes): Language =>
  spoken(chosen) ??
  first((uiLocales ?? "").slice(0, longest).split(" ")) ??
  first(byQuality((acceptLanguage ?? "").slice(0, longest))) ??
  "en"

export const otherThan = (language: Language): Language => (language === "en" ? "ru" : "en")

const longest = 1024

/** `ru`, `ru-RU`, `en-GB` (RFC 5646); none for any other language. */
const spoken = (tag: string | undefined): Language | undefined => {
  const primary = tag?.trim().toLowerCase().split("-")[0]
  return primary === "en" || primary === "ru" ? primary : undefined
}

const first = (tags: ReadonlyArray<string>): Language | undefined =>
  tags.map(spoken).find((language) => language !== undefined)

/** The tags of `Accept-Language`, the best first; those of quality 0 are not wanted (RFC 9110 section 12.5.4). */
const byQuality = (header: string): ReadonlyArray<string> =>
  header
    .split(",")
    .map((item) => {
      const [tag = "", ...parameters] = item.split(";").map((part) => part.trim())
      const q = parameters.find((parameter) => parameter.startsWith("q="))
      return { tag, quality: q === undefined ? 1 : Number(q.slice(2)) }
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ tag }) => tag)
