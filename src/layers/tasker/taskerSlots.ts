/**
 * Who may have a call under way. So many at a time, so many that wait, and of each no agent more than
 * its part: one that floods waits behind itself. Whoever waits is served in turn, agent by agent, not in
 * the order of asking, so that a long line of one agent is passed by another's single call.
 *
 * Plain and synchronous; it knows no timer: who waits gives up by `leave`. It holds nothing of an agent
 * that has neither a call under way nor one that waits.
 */
export interface Bounds {
  readonly underWay: number
  readonly underWayOfOne: number
  readonly waiting: number
  readonly waitingOfOne: number
}

export interface Waiter {
  /** Its turn has come. Not called where a slot was free at once. */
  readonly onSlot: () => void
}

/** Someone's slot or place in the line; `leave` frees it, whichever it is. */
export interface Place<W extends Waiter> {
  readonly lane: Lane<W>
  readonly waiter: W
  /** When it got its slot; undefined while it waits. */
  since: number | undefined
}

interface Lane<W extends Waiter> {
  readonly agent: string
  underWay: number
  readonly waiting: Array<Place<W>>
}

/** Why there is no place. `millis`: what waiting for one would take, as far as can be told. */
export interface Full {
  readonly _tag: "Full"
  readonly of: "all" | "agent"
  readonly millis: number
}

/** Weight of the newest in the mean of how long a call takes. */
const newest = 1 / 16

export class Slots<W extends Waiter> {
  private readonly lanes = new Map<string, Lane<W>>()
  /** Those with somebody waiting, in the order of their turns. */
  private readonly turns = new Set<Lane<W>>()
  private underWay = 0
  private waiting = 0
  private meanMillis = 0
  private readonly bounds: Bounds

  constructor(bounds: Bounds) {
    this.bounds = bounds
  }

  /** A slot, or a place in the line if it looks like getting a slot within `patience` milliseconds. */
  enter(agent: string, now: number, patience: number, waiter: W): Place<W> | Full {
    const lane: Lane<W> = this.lanes.get(agent) ?? { agent, underWay: 0, waiting: [] }
    // Whoever waits although a slot is free waits for their own agent's calls: nobody is passed.
    if (this.underWay < this.bounds.underWay && lane.underWay < this.bounds.underWayOfOne) {
      const place: Place<W> = { lane, waiter, since: undefined }
      this.occupy(place, now)
      return place
    }
    const full = this.refuse(lane, patience)
    if (full !== undefined) return full
    const place: Place<W> = { lane, waiter, since: undefined }
    this.lanes.set(agent, lane)
    lane.waiting.push(place)
    this.turns.add(lane)
    this.waiting++
    return place
  }

  leave(place: Place<W>, now: number): void {
    const { lane, since } = place
    if (since === undefined) {
      this.forget(place)
      this.discard(lane)
      return
    }
    this.underWay--
    lane.underWay--
    this.meanMillis += (now - since - this.meanMillis) * newest
    this.discard(lane)
    this.serve(now)
  }

  /** Everybody in the line; they keep their places until they leave. */
  line(): ReadonlyArray<W> {
    return [...this.turns].flatMap(({ waiting }) => waiting.map(({ waiter }) => waiter))
  }

  private occupy(place: Place<W>, now: number): void {
    const { lane } = place
    this.lanes.set(lane.agent, lane)
    place.since = now
    lane.underWay++
    this.underWay++
  }

  private serve(now: number): void {
    for (const lane of this.turns) {
      if (this.underWay >= this.bounds.underWay) return
      const [first] = lane.waiting
      if (first === undefined || lane.underWay >= this.bounds.underWayOfOne) continue
      this.forget(first)
      this.occupy(first, now)
      // Its next turn comes after everybody else's.
      if (this.turns.delete(lane)) this.turns.add(lane)
      first.waiter.onSlot()
    }
  }

  private forget(place: Place<W>): void {
    const { lane } = place
    const index = lane.waiting.indexOf(place)
    if (index === -1) return
    lane.waiting.splice(index, 1)
    this.waiting--
    if (lane.waiting.length === 0) this.turns.delete(lane)
  }

  private discard(lane: Lane<W>): void {
    if (lane.underWay === 0 && lane.waiting.length === 0) this.lanes.delete(lane.agent)
  }

  private refuse(lane: Lane<W>, patience: number): Full | undefined {
    const { underWay, underWayOfOne, waiting, waitingOfOne } = this.bounds
    const own = lane.waiting.length + 1
    const ownMillis = lane.underWay < underWayOfOne ? 0 : (own * this.meanMillis) / underWayOfOne
    if (own > waitingOfOne || ownMillis > patience) return { _tag: "Full", of: "agent", millis: ownMillis }
    // In turns, no lane puts more before it than it has in its own.
    const before = Math.min(this.waiting, own * this.turns.size)
    const millis = this.underWay < underWay ? 0 : ((before + 1) * this.meanMillis) / underWay
    return this.waiting >= waiting || millis > patience ? { _tag: "Full", of: "all", millis } : undefined
  }
}

export const isFull = <W extends Waiter>(entered: Place<W> | Full): entered is Full => "_tag" in entered
