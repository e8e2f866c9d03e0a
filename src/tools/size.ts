import { Effect } from "effect"
import { type AgentTexts, longestCounted } from "../services/Texts.ts"

/**
 * No answer is over 8,000 tokens: Codex cuts near 10,000, and what an agent was shown cut it may
 * write back. Counted with the tokenizer of the models that Codex runs (o200k), less what counting
 * piece by piece may miss and what a client wraps around.
 */
const largest = 7_700

/** No answer of more characters than this can fit: a token is seldom more than four of them. */
export const longestAnswer = 40_000

/** Counts the tokens of a text; undefined if it did not. */
export type Counter = Pick<AgentTexts<unknown>, "tokens">

/** True if a value fits. One that was not counted does only if it fits whatever it holds. */
export const fits = (counter: Counter, value: unknown): Effect.Effect<boolean> =>
  Effect.map(overrun(counter, value), (by) => by <= 1)

/** Returns the size of a value as a multiple of what fits; infinity for one that is too long to be counted. */
const overrun = (counter: Counter, value: unknown): Effect.Effect<number> => {
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  // A token is one byte at least, so what is no longer than this needs no counting.
  if (bytes <= largest) return Effect.succeed(1)
  if (text.length > longestCounted) return Effect.succeed(Number.POSITIVE_INFINITY)
  return Effect.map(counter.tokens(text), (count) => (count ?? bytes) / largest)
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
export const longestFitting = (
  counter: Counter,
  text: string,
  whole: (part: string) => unknown
): Effect.Effect<string> =>
  Effect.gen(function* () {
    let part = text
    while (part.length > 0) {
      const by = yield* overrun(counter, whole(part))
      if (by <= 1) return part
      // By the mean of what the text takes, and a little less, so that the next look is the last one.
      const length = by === Number.POSITIVE_INFINITY ? part.length * 0.6 : (part.length / by) * 0.97
      part = text.slice(0, cutAt(text, Math.floor(Math.min(length, part.length * 0.95, longestCounted / 2))))
    }
    return ""
  })

/** How many items from the front fit in one answer, one at least. */
export const countFitting = <A>(
  counter: Counter,
  items: ReadonlyArray<A>,
  whole: (items: ReadonlyArray<A>) => unknown
): Effect.Effect<number> =>
  Effect.gen(function* () {
    let count = items.length
    while (count > 1 && !(yield* fits(counter, whole(items.slice(0, count)))))
      count = Math.max(1, Math.floor(count * 0.7))
    return count
  })
