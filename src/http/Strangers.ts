import { hash } from "node:crypto"
import { LimitReached } from "../domain/Failure.ts"
import { neighbourhood } from "../domain/Network.ts"

/**
 * The limit on callers who have not shown who they are, by address, held before anything is looked up:
 * 600 requests at once, and then one for each tenth of a second that passes. What counts is a request
 * that no good credential came with: one refused with 401, whatever for, one for what is open to all, and one
 * whose client left before it was known who it is. Each 4 KB of its body that were read count as one more.
 *
 * A credential that was good here lately passes without being counted, so that whoever guesses tokens
 * behind the same address as an agent does not lock the agent out. That is all it opens: what it may do
 * is looked up as ever, and once it is refused, or comes along where it proves nothing, it is forgotten.
 *
 * One process's own account, in bounded memory: several instances each give the allowance once.
 */
export interface Strangers {
  /**
   * Lets a request in, and charges its address at once, so that no number of them at the same time passes
   * uncounted; or says why it is not to be looked at. `now` in milliseconds.
   */
  readonly admit: (request: Asking, now: number) => Admitted | LimitReached
  /** Takes note of how a request ended that was let in, whoever waits for its reply. */
  readonly ended: (request: Asking, admitted: Admitted, ended: Ended) => void
}

export interface Admitted {
  readonly _tag: "Admitted"
  /** Whether its address gave for it; a credential that was good lately costs nothing. */
  readonly charged: boolean
}

export interface Asking {
  /** As `clientAddress` spells it. */
  readonly client: string
  /** The Authorization header as it came. */
  readonly credential: string | undefined
}

/** `good`: its credential was found to be. `undecided`: whether it is could not be found out. */
export type End = "good" | "refused" | "open" | "undecided"

export interface Ended {
  readonly end: End
  /** Bytes of its body that were read. */
  readonly bodyBytes: number
}

/** Bytes of a body that cost as much as a request. */
const bytesOfRequest = 4096

/** How many requests of strangers an address has, and in how many seconds a whole allowance comes back. */
const quota = 600
const windowSeconds = 60

/** Addresses and credentials that are remembered; the one that was longest unheard of makes room. */
const remembered = 10_000

/** Between two requests of an allowance that is used up, in milliseconds. */
const spacing = (windowSeconds * 1000) / quota

export const make = (): Strangers => {
  /** When each address will have its whole allowance again (the GCRA of ITU-T I.371). */
  const restored = new Recent<number>()
  const good = new Recent<true>()

  return {
    admit: ({ client, credential }, now) => {
      const address = neighbourhood(client)
      const until = restored.get(address) ?? 0
      const wait = until - now - (quota - 1) * spacing
      if (credential !== undefined && good.get(digest(credential)) !== undefined) return free
      if (wait > 0) return tooMany(Math.ceil(wait / 1000))
      restored.set(address, Math.max(until, now) + spacing)
      return charged
    },
    ended: ({ client, credential }, admitted, { bodyBytes, end }) => {
      const isStranger = end === "refused" || end === "open"
      if (credential !== undefined && end === "good") good.set(digest(credential), true)
      if (credential !== undefined && isStranger) good.delete(digest(credential))
      if (!admitted.charged) return
      const address = neighbourhood(client)
      const until = restored.get(address)
      if (until === undefined) return
      restored.set(address, until + (isStranger ? Math.floor(bodyBytes / bytesOfRequest) : -1) * spacing)
    }
  }
}

const charged: Admitted = { _tag: "Admitted", charged: true }
const free: Admitted = { _tag: "Admitted", charged: false }

/** Only in memory, and only to be found again. */
const digest = (credential: string): string => hash("sha256", credential, "base64")

const tooMany = (retryAfterSeconds: number) =>
  new LimitReached({
    reason: "rate",
    message: `Too many requests without a good token came from this address; this one was not looked at. Repeat it in ${retryAfterSeconds} s. A token that worked here lately is not held up by this.`,
    retryable: true,
    details: {
      limit: { policy: "unauthenticated", quota, window_seconds: windowSeconds, remaining: 0 },
      retry_after_seconds: retryAfterSeconds
    }
  })

/** The entries used last. A Map keeps the order in which keys were put in, so the first is the oldest. */
class Recent<Value> {
  readonly #entries = new Map<string, Value>()

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= remembered) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}
