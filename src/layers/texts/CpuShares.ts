/** CPU time that agents used of their shares, which come back evenly. Remembers who used some of it, within bounds. */
export class CpuShares {
  readonly #used = new Map<string, { readonly millis: number; readonly at: number }>()
  readonly #perMilli: number

  /** `share`: CPU time that comes back in a window, both in milliseconds. */
  constructor(share: number, window: number) {
    this.#perMilli = share / window
  }

  /** CPU time that an agent has used and not got back, in milliseconds. */
  used(agent: string, now: number): number {
    const known = this.#used.get(agent)
    return known === undefined ? 0 : Math.max(0, known.millis - (now - known.at) * this.#perMilli)
  }

  charge(agent: string, millis: number, now: number): void {
    const used = this.used(agent, now) + millis
    // Put in anew, so that the first of a Map's keys is the agent that was longest quiet.
    this.#used.delete(agent)
    this.#used.set(agent, { millis: used, at: now })
    if (this.#used.size <= remembered) return
    for (const oldest of this.#used.keys()) {
      this.#used.delete(oldest)
      return
    }
  }

  /** Milliseconds until an agent has used no more than `most`. */
  until(agent: string, most: number, now: number): number {
    return Math.max(0, (this.used(agent, now) - most) / this.#perMilli)
  }
}

const remembered = 10_000
