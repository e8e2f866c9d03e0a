/**
 * Whether Tasker is asked at all just now. Two things speak against it: that it has been failing, and
 * that it said itself for how long it wants to be left alone. A plain state machine; times are
 * milliseconds of a monotonic clock, so that a clock that is set back keeps nothing shut.
 *
 * Not `effect/persistence`'s CircuitBreaker: it heeds `Retry-After` only in the failure that opens it,
 * counts last week's failures with this minute's, can't prefer a read as the probe, and costs some 12 µs
 * a call where this takes less than one.
 */

/** What is looked at: the last so many calls, as far as they are no older than this. */
const windowSize = 50
const windowMillis = 30_000
/** Fewer calls than this say nothing yet. */
const leastCalls = 20
const tooManyFailed = 0.5
/** An agent whose last call was answered counts as served for so long, however many calls of others failed since. */
const servedMillis = 10_000
/** Agents that are remembered as served. */
const mostServed = 100

const firstOpenMillis = 1000
const longestOpenMillis = 30_000
/** Instances of one gateway open together; by this they don't ask again together. */
const jitter = 0.5
/**
 * For so long after it might be asked again the probe is left to others by a write, since a read that
 * fails leaves no key in doubt, and by an agent whose calls alone had failed, since it may be they that
 * can't succeed.
 */
const othersFirstMillis = 1000
/** The longest that a `Retry-After` holds anything back. */
export const longestHoldMillis = 60_000

/** How a call ended, as far as it tells of Tasker's health. */
export type Ending =
  /** With an answer, whatever it says. */
  | "answered"
  /** Timeout, cut, status 5xx, no connection. */
  | "failed"
  /** Not at all: it was given up, or never left. */
  | "untold"

/** The agent that asks, and the kind of its call. */
export interface Asking {
  readonly agent: string
  /** `look`: a look-up for what one write made. It may fail for what it looks for, so its failures say nothing. */
  readonly kind: "read" | "write" | "look"
}

/** Permits one call. */
export interface Leave {
  /** The one call that tries whether Tasker answers again. */
  readonly probe: boolean
}

export interface Shut {
  readonly _tag: "Shut"
  readonly because: "failing" | "held"
  /** After which it is worth asking again. */
  readonly millis: number
}

/** What an operator is told, once each. */
export type Turn =
  | { readonly _tag: "Opened"; readonly failed: number; readonly calls: number; readonly millis: number }
  | { readonly _tag: "Reopened"; readonly millis: number }
  | { readonly _tag: "Probing" }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Held"; readonly millis: number }

export const isShut = (admitted: Leave | Shut): admitted is Shut => "_tag" in admitted

export class Breaker {
  private readonly outcomes = new Outcomes()
  /** Given to all calls between two openings: what an older one tells comes too late. */
  private current: Leave = { probe: false }
  private probe: Leave | undefined
  /** Until when it is open; undefined where it is closed. */
  private openUntil: number | undefined
  private openMillis = 0
  /** Whose calls alone had failed when it opened. */
  private suspect: string | undefined
  private openings = 0
  /** Closed for as long as it was open last, it starts from the shortest opening again. */
  private calmFrom = 0
  private heldUntil = Number.NEGATIVE_INFINITY
  private readonly onTurn: (turn: Turn) => void

  /** `onTurn` is told of every change, while it happens. */
  constructor(onTurn: (turn: Turn) => void) {
    this.onTurn = onTurn
  }

  /** Leave for a call, which has to be given back by `end`; or why there is none. */
  admit(now: number, asking: Asking): Leave | Shut {
    const shut = this.shut(now, asking)
    if (shut !== undefined) return shut
    if (this.openUntil === undefined) return this.current
    this.probe = { probe: true }
    this.onTurn({ _tag: "Probing" })
    return this.probe
  }

  /** Why a call would get no leave, or without a call, why none would; undefined where it would. */
  shut(now: number, asking?: Asking): Shut | undefined {
    if (now < this.heldUntil) return { _tag: "Shut", because: "held", millis: this.heldUntil - now }
    if (this.openUntil === undefined) return undefined
    if (this.probe !== undefined || asking?.kind === "look") {
      return { _tag: "Shut", because: "failing", millis: firstOpenMillis }
    }
    const isLast = asking !== undefined && (asking.kind === "write" || asking.agent === this.suspect)
    const from = this.openUntil + (isLast ? othersFirstMillis : 0)
    return now < from ? { _tag: "Shut", because: "failing", millis: from - now } : undefined
  }

  /** True if the next call but a look-up would be the probe. */
  isProbeDue(now: number): boolean {
    return this.openUntil !== undefined && this.shut(now) === undefined
  }

  /** `random` gives a number from 0 to 1. */
  end(leave: Leave, { agent, kind }: Asking, ending: Ending, now: number, random: () => number): void {
    if (leave === this.probe) {
      this.probe = undefined
      if (ending === "answered") {
        this.close(now)
        this.outcomes.add(agent, false, now)
      } else if (ending === "failed") {
        if (agent !== this.suspect) this.suspect = undefined
        this.openFor(now, random())
        this.onTurn({ _tag: "Reopened", millis: this.openMillis })
      }
      return
    }
    if (leave !== this.current || this.openUntil !== undefined || ending === "untold") return
    if (kind === "look" && ending === "failed") return
    this.outcomes.add(agent, ending === "failed", now)
    if (ending === "failed") this.judge(now, random)
  }

  /** Opens if too many calls failed and no agent is served: calls that can't succeed must not keep others from theirs. */
  private judge(now: number, random: () => number): void {
    const { calls, failed } = this.outcomes
    if (calls < leastCalls || failed < calls * tooManyFailed || this.outcomes.isAnyoneServed(now)) return
    this.suspect = this.outcomes.onlyFailing()
    if (now >= this.calmFrom) this.openings = 0
    this.openFor(now, random())
    this.outcomes.clear()
    this.onTurn({ _tag: "Opened", failed, calls, millis: this.openMillis })
  }

  /** Tasker asks to be left alone. */
  hold(millis: number, now: number): void {
    if (millis <= 0) return
    const until = now + Math.min(millis, longestHoldMillis)
    if (until <= this.heldUntil) return
    const isNew = now >= this.heldUntil
    this.heldUntil = until
    if (isNew) this.onTurn({ _tag: "Held", millis: until - now })
  }

  private close(now: number): void {
    this.openUntil = undefined
    this.current = { probe: false }
    this.calmFrom = now + this.openMillis
    this.onTurn({ _tag: "Closed" })
  }

  private openFor(now: number, random: number): void {
    const millis = firstOpenMillis * 2 ** this.openings * (1 + jitter * random)
    this.openMillis = Math.min(longestOpenMillis, millis)
    this.openings++
    this.openUntil = now + this.openMillis
  }
}

/** The last outcomes, in a ring. */
class Outcomes {
  private readonly times = new Float64Array(windowSize)
  private readonly failures = new Uint8Array(windowSize)
  private readonly agents: Array<string> = Array.from({ length: windowSize }, () => "")
  /** Agents whose last call was answered, and when, latest last: no flood of failures pushes them out of a ring. */
  private readonly served = new Map<string, number>()
  private next = 0
  calls = 0
  failed = 0

  add(agent: string, isFailure: boolean, now: number): void {
    if (this.calls === windowSize) this.dropOldest()
    while (this.calls > 0 && (this.times[this.at(0)] ?? 0) < now - windowMillis) this.dropOldest()
    this.times[this.next] = now
    this.failures[this.next] = isFailure ? 1 : 0
    this.agents[this.next] = agent
    this.next = (this.next + 1) % windowSize
    this.calls++
    this.served.delete(agent)
    if (isFailure) this.failed++
    else this.serve(agent, now)
  }

  private serve(agent: string, at: number): void {
    this.served.set(agent, at)
    const [earliest] = this.served.keys()
    if (this.served.size > mostServed && earliest !== undefined) this.served.delete(earliest)
  }

  isAnyoneServed(now: number): boolean {
    return [...this.served.values()].some((at) => at >= now - servedMillis)
  }

  /** The agent of all failures, if there is only one. */
  onlyFailing(): string | undefined {
    const failing = new Set<string>()
    for (let n = 0; n < this.calls; n++) {
      if (this.failures[this.at(n)] === 1) failing.add(this.agents[this.at(n)] ?? "")
    }
    return failing.size === 1 ? [...failing][0] : undefined
  }

  clear(): void {
    this.calls = 0
    this.failed = 0
  }

  private dropOldest(): void {
    this.failed -= this.failures[this.at(0)] ?? 0
    this.calls--
  }

  /** Where the n-th of those in the window stands, the oldest being 0. */
  private at(n: number): number {
    return (this.next - this.calls + n + windowSize) % windowSize
  }
}
