import { htmlMicros, markdownMicros } from "../../text/conversionCost.ts"
import { type Input, type Output, type WorkName, work } from "./work.ts"

/** Work that is known by a look at its text to be short enough for the event loop. */

/** Estimated CPU time up to which it is, in microseconds. */
const longest = 3000

/** Characters that are looked through for a secret in a microsecond. */
const charactersInMicro = 5

const microsOf: { readonly [N in WorkName]: (input: Input<N>) => number } = {
  render: markdownMicros,
  read: ({ html }) => htmlMicros(html),
  plain: htmlMicros,
  same: ({ one, other }) => htmlMicros(one ?? "") + htmlMicros(other ?? ""),
  sameWords: ({ one, other }) => htmlMicros(one ?? "") + htmlMicros(other ?? ""),
  holdsSecret: (html) => html.length / charactersInMicro,
  tokens: () => Number.POSITIVE_INFINITY
}

/** Returns the estimate in microseconds of CPU time; infinity for work that is never short. */
export const micros = <N extends WorkName>(name: N, input: Input<N>): number => microsOf[name](input)

export const isShort = <N extends WorkName>(name: N, input: Input<N>): boolean =>
  micros(name, input) <= longest

/** Does short work on this thread. */
export const atOnce = <N extends WorkName>(name: N, input: Input<N>): Output<N> =>
  (work[name] as (input: Input<N>) => Output<N>)(input)
