import { holdsSecret, withoutSecrets } from "../../domain/tokenForm.ts"
import type { PeopleNames } from "../../services/Texts.ts"
import { plainWordsOf } from "../../text/HtmlTree.ts"
import { htmlToMarkdown, markdownToHtml, unrepresentable } from "../../text/Markdown.ts"
import { exceedsBounds } from "../../text/MarkdownBounds.ts"
import { paragraphsOf, stripInvisible } from "../../text/PlainText.ts"
import { sameText, sameWords } from "../../text/sameText.ts"
import { wordsOf } from "../../text/TaskerHtml.ts"

/**
 * The work on texts that may take long, by name. Pure, so that it can run on any thread: on the event loop if it
 * is short, else in a worker. `plain` and `sameWords` are linear and stand in for what took too long.
 */
export const work = {
  /** Undefined if the text has more structure than is read. */
  render: (markdown: string): { readonly html: string; readonly shows: boolean } | undefined => {
    if (exceedsBounds(markdown)) return undefined
    const html = markdownToHtml(markdown)
    return { html, shows: markdown === "" || stripInvisible(wordsOf(html)).trim() !== "" }
  },

  read: ({ html, people }: Reading): { readonly markdown: string; readonly lost: ReadonlyArray<string> } => ({
    markdown: withoutSecrets(
      htmlToMarkdown(withoutSplitSecrets(html), { nameOf: (id: string) => people.get(id) })
    ),
    lost: unrepresentable(html)
  }),

  plain: (html: string): { readonly markdown: string; readonly lost: ReadonlyArray<string> } => ({
    markdown: withoutSecrets(
      paragraphsOf(plainWordsOf(withoutSplitSecrets(html)))
        .map((lines) => lines.join("\n"))
        .join("\n\n")
    ),
    lost: unrepresentable(html)
  }),

  same: ({ one, other }: Pair): boolean => sameText(one, other),

  sameWords: ({ one, other }: Pair): boolean => sameWords(one, other),

  /** Once with tags gone, so that what stood on both sides of one stands together, and once with them. */
  holdsSecret: (html: string): boolean => holdsSecret(stripInvisible(`${wordsOf(html)}\n${html}`)),

  tokens: async (text: string): Promise<number> => {
    // Its vocabulary takes 200 ms to load and some 60 MB, which only a worker pays.
    const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base")
    let count = 0
    for (let at = 0; at < text.length; at += piece) count += countTokens(text.slice(at, at + piece))
    return count
  }
} as const

interface Reading {
  readonly html: string
  readonly people: PeopleNames
}

interface Pair {
  readonly one: string | null
  readonly other: string | null
}

export type WorkName = keyof typeof work
export type Input<N extends WorkName> = Parameters<(typeof work)[N]>[0]
export type Output<N extends WorkName> = Awaited<ReturnType<(typeof work)[N]>>

/**
 * Byte-pair encoding takes time quadratic in a run without spaces: 2 s for 32,000 times the same letter.
 * Counted in pieces it is linear, and off by a hundredth at most.
 */
const piece = 200

/** A tag, a word, or what parts words. */
const pieces = /<[^<>]*>|[^<>\s]+|\s+|[<>]/g
const parting = /^(?:\s|>|<$)/
const tags = /<[^<>]*>/g

/**
 * If a part of a token is bold or linked, or a tag stands close by, Markdown would spell it so that it is
 * no token to the letter, and still one to its reader. Of a token in parts the tags stay, behind it.
 */
const withoutSplitSecrets = (html: string): string => {
  const out: Array<string> = []
  let copied = 0
  /** Words and the tags between them, without a space, from the first word to the last. */
  let run = { start: 0, end: 0, words: 0 }
  const endRun = () => {
    const { end, start, words } = run
    run = { start: 0, end: 0, words: 0 }
    if (words < 2) return
    const found = html.slice(start, end)
    const shown = withoutSplit(found)
    if (shown === found) return
    out.push(html.slice(copied, start), shown)
    copied = end
  }
  for (const { 0: piece, index } of html.matchAll(pieces)) {
    if (parting.test(piece)) endRun()
    else if (!piece.startsWith("<")) {
      run = { start: run.words === 0 ? index : run.start, end: index + piece.length, words: run.words + 1 }
    }
  }
  endRun()
  out.push(html.slice(copied))
  return out.join("")
}

const withoutSplit = (run: string): string => {
  const text = stripInvisible(run.replace(tags, ""))
  const shown = withoutSecrets(text)
  return shown === text ? run : shown + (run.match(tags) ?? []).join("")
}
