import { createHash } from "node:crypto"

/** Decisions that follow from a seed: the same seed and name give the same sequence, on every machine. */
export interface Random {
  /** At least 0, less than 1. */
  readonly next: () => number
  /** A whole number, at least `from` and at most `to`. */
  readonly between: (from: number, to: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(choices: ReadonlyArray<A>) => A
  readonly shuffled: <A>(items: ReadonlyArray<A>) => ReadonlyArray<A>
}

/** `name` keeps what is decided for one part of a run from depending on how often another part asks. */
export const randomOf = (seed: number, name: string): Random => {
  const next = sfc32(createHash("sha256").update(`${seed}\n${name}`).digest())
  const between = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (choices) => {
      const chosen = choices[between(0, choices.length - 1)]
      if (chosen === undefined) throw new Error("There is nothing to choose from")
      return chosen
    },
    shuffled: (items) => {
      const left = [...items]
      for (let last = left.length - 1; last > 0; last--) {
        const other = between(0, last)
        ;[left[last], left[other]] = [left[other] as never, left[last] as never]
      }
      return left
    }
  }
}

/** Deals every card once before any comes again, in a new order each time. */
export const deckOf = <A>(random: Random, cards: ReadonlyArray<A>): (() => A) => {
  let left: Array<A> = []
  return () => {
    if (left.length === 0) left = [...random.shuffled(cards)]
    return left.pop() as A
  }
}

/** Chris Doty-Humphrey's small fast counter generator (PractRand): 128 bits of state, 32 bits a step. */
const sfc32 = (key: Buffer): (() => number) => {
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => key.readInt32LE(at)) as [number, number, number, number]
  const step = () => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4294967296
  }
  for (let round = 0; round < 12; round++) step()
  return step
}
