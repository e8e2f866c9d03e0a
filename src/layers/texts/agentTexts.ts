import { Effect } from "effect"
import { type AgentTexts, longestCounted, type PeopleNames } from "../../services/Texts.ts"
import type { Input, Output, WorkName } from "./work.ts"

/** Does one piece of work; undefined if it took too long or failed. */
export type Perform<E> = <N extends WorkName>(
  name: N,
  input: Input<N>
) => Effect.Effect<Output<N> | undefined, E>

/** The conversions in terms of work, each with what stands in for it if it takes too long. */
export const agentTexts = <E>(perform: Perform<E>): AgentTexts<E> => ({
  render: (markdown) =>
    Effect.map(perform("render", markdown), (rendered) =>
      rendered === undefined ? { _tag: "TooComplex" } : { _tag: "Html", ...rendered }
    ),
  read: Effect.fnUntraced(function* (html, people = nobody) {
    if (html === null) return { markdown: "", lost: [], plain: false }
    const read = yield* perform("read", { html, people: mentioned(html, people) })
    if (read !== undefined) return { ...read, plain: false }
    return { ...(yield* needed(perform("plain", html))), plain: true }
  }),
  same: Effect.fnUntraced(function* (one, other) {
    if (one === other) return true
    const same = yield* perform("same", { one, other })
    return same ?? (yield* needed(perform("sameWords", { one, other })))
  }),
  holdsSecret: (html) => needed(perform("holdsSecret", html)),
  tokens: (text) =>
    text.length > longestCounted
      ? Effect.succeed(undefined)
      : Effect.orElseSucceed(perform("tokens", text), () => undefined)
})

const nobody: PeopleNames = new Map()

const identifier = /entity_identifier\s*=\s*["']?([^"'\s<>]{1,128})/gi

/** The names of those whom an HTML text mentions: a project may have thousands of members. */
const mentioned = (html: string, people: PeopleNames): PeopleNames => {
  if (people.size === 0) return nobody
  const found = new Map<string, string>()
  for (const [, id = ""] of html.matchAll(identifier)) {
    const name = people.get(id)
    if (name !== undefined) found.set(id, name)
  }
  return found
}

/** Work that is linear can't take too long: that it did is a defect. */
const needed = <A, E>(done: Effect.Effect<A | undefined, E>): Effect.Effect<A, E> =>
  Effect.flatMap(done, (value) =>
    value === undefined
      ? Effect.die(new Error("Linear work on a text came to no end"))
      : Effect.succeed(value)
  )
