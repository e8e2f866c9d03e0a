import type { Deferred } from "effect"
import type { Purpose } from "../../services/TaskerAdapter.ts"

export interface Asking {
  readonly agent: string
  readonly purpose: Purpose
  readonly requests: number
}

/** A call that waits for requests. */
export interface Waiter<A, E> {
  readonly asking: Asking
  /** Grows with each arrival. */
  readonly order: number
  /** Monotonic clock, milliseconds. */
  readonly deadline: number
  /** Milliseconds that a refusal advises to wait. */
  advisedMillis: number
  readonly done: Deferred.Deferred<A, E>
}

const ranks = { settle: 0, write: 1, read: 2 } as const

/** Most calls that are served by one count. */
const mostAtOnce = 50

/** The waiting calls in the order in which they are served, at most `mostAtOnce`, if turns go on from `turns`. */
export const inOrder = <A, E>(
  line: Iterable<Waiter<A, E>>,
  served: ReadonlyMap<string, number>,
  turns: number
): ReadonlyArray<Waiter<A, E>> => {
  const left = new Set(line)
  const turn = new Map(served)
  const order: Array<Waiter<A, E>> = []
  while (order.length < mostAtOnce) {
    const first = next(left, turn)
    if (first === undefined) break
    left.delete(first)
    order.push(first)
    turn.set(first.asking.agent, turns + order.length)
  }
  return order
}

/**
 * The call that is served next: settling before writes before reads; among those the agent that was served
 * longest ago; of one agent the first to come. A later call that needs less never passes it.
 */
export const next = <A, E>(
  line: Iterable<Waiter<A, E>>,
  /** The turn in which each agent was served last. */
  served: ReadonlyMap<string, number>
): Waiter<A, E> | undefined => {
  const before = (one: Waiter<A, E>, other: Waiter<A, E>): number =>
    ranks[one.asking.purpose] - ranks[other.asking.purpose] ||
    (served.get(one.asking.agent) ?? 0) - (served.get(other.asking.agent) ?? 0) ||
    one.order - other.order
  return [...line].sort(before)[0]
}
