import { Effect } from "effect"

/**
 * No answer is over 8,000 tokens: Codex cuts near 10,000, and what an agent was shown cut it may
 * write back. Counted with the tokenizer of the models that Codex runs (o200k), less what counting
 * piece by piece may miss and what a client wraps around.
 */
const largest = 7_700

/** A token is one byte at least, so what is no longer than this needs no counting. */
const surelyFits = (text: string): boolean => Buffer.byteLength(text) <= largest

/** Loaded when the first long answer needs it: its vocabulary takes a while and some memory. */
const tokenizer = Effect.runSync(
  Effect.cached(Effect.promise(() => import("gpt-tokenizer/encoding/o200k_base")))
)

/** No answer of more characters than this can fit: a token is seldom more than four of them. */
export const longestAnswer = 40_000

/** Longest text that is counted; anything longer is too long whatever it holds. */
const countable = 64_000

/**
 * Byte-pair encoding takes time quadratic in a run without spaces: 2 s for 32,000 times the same
 * letter. Counted in pieces it is linear, and off by a hundredth at most.
 */
const piece = 200

export const fits = (value: unknown): Effect.Effect<boolean> => {
  const text = JSON.stringify(value)
  if (surelyFits(text)) return Effect.succeed(true)
  if (text.length > countable) return Effect.succeed(false)
  return Effect.map(tokenizer, ({ countTokens }) => {
    let count = 0
    for (let at = 0; at < text.length && count <= largest; at += piece)
      count += countTokens(text.slice(at, at + piece))
    return count <= largest
  })
}

/** Cuts no surrogate pair in two, and ends at a line's end where one is near. */
export const cutAt = (text: string, length: number): number => {
  const line = text.lastIndexOf("\n", length - 1)
  const at = line > length * 0.8 ? line + 1 : length
  const unit = text.charCodeAt(at - 1)
  return unit >= 0xd800 && unit <= 0xdbff ? at - 1 : at
}

/**
 * The longest beginning of a text with which the whole answer fits, or all of it. `whole` builds the
 * answer around a text.
 */
export const longestFitting = (text: string, whole: (part: string) => unknown): Effect.Effect<string> =>
  Effect.gen(function* () {
    if (yield* fits(whole(text))) return text
    let length = Math.min(text.length - 1, countable / 2)
    while (length > 0) {
      const part = text.slice(0, cutAt(text, length))
      if (yield* fits(whole(part))) return part
      length = Math.floor(length * 0.85)
    }
    return ""
  })

/** How many items from the front fit in one answer, one at least. */
export const countFitting = <A>(
  items: ReadonlyArray<A>,
  whole: (items: ReadonlyArray<A>) => unknown
): Effect.Effect<number> =>
  Effect.gen(function* () {
    let count = items.length
    while (count > 1 && !(yield* fits(whole(items.slice(0, count)))))
      count = Math.max(1, Math.floor(count * 0.7))
    return count
  })
