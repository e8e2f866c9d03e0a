/**
 * The requests that one API key made within the last minute, by the second, and what may still be sent. Pure:
 * seconds are the database's, so that all instances count by one clock.
 */
export interface KeyWindow {
  /** Seconds with the requests that were made in them. */
  readonly made: ReadonlyArray<readonly [second: number, requests: number]>
  /** Plane refused a request and asked to wait until then; 0: it did not. */
  readonly heldUntil: number
}

export const emptyWindow: KeyWindow = { made: [], heldUntil: 0 }

/** Plane counts a request for 60 seconds. One more, since a second here may have begun before the request. */
export const windowSeconds = 61

const isCounted = (second: number, now: number) => second > now - windowSeconds

export const usedIn = ({ made }: KeyWindow, now: number): number =>
  made.reduce((sum, [second, requests]) => (isCounted(second, now) ? sum + requests : sum), 0)

export const freeIn = (window: KeyWindow, limit: number, now: number): number =>
  now < window.heldUntil ? 0 : Math.max(0, limit - usedIn(window, now))

/** Adds requests to a second, or takes them back. Forgets seconds that no longer count. */
export const withRequests = (window: KeyWindow, second: number, requests: number, now: number): KeyWindow => {
  const others = window.made.filter(([at]) => at !== second && isCounted(at, now))
  const before = window.made.find(([at]) => at === second)?.[1] ?? 0
  const count = Math.max(0, before + requests)
  return { ...window, made: count === 0 || !isCounted(second, now) ? others : [...others, [second, count]] }
}

/** Counts what others sent under the same key, as far as Plane's remaining number shows it. */
export const corrected = (window: KeyWindow, limit: number, remaining: number, now: number): KeyWindow => {
  const foreign = limit - remaining - usedIn(window, now)
  return foreign <= 0 ? window : withRequests(window, now, foreign, now)
}

/** Several keys with one limit each. `keptBack` requests over all of them are not to be used. */
export interface Terms {
  readonly limit: number
  readonly keptBack: number
}

/** Spreads requests over the keys, the freest first; undefined if there are too few. */
export const allot = (
  windows: ReadonlyArray<KeyWindow>,
  requests: number,
  { keptBack, limit }: Terms,
  now: number
): ReadonlyArray<number> | undefined => {
  const free = windows.map((window) => freeIn(window, limit, now))
  const total = free.reduce((sum, count) => sum + count, 0)
  if (requests > total - keptBack) return undefined
  const allotted = windows.map(() => 0)
  for (let n = 0; n < requests; n++) {
    const freest = free.indexOf(Math.max(...free))
    free[freest] = (free[freest] ?? 0) - 1
    allotted[freest] = (allotted[freest] ?? 0) + 1
  }
  return allotted
}

/** Seconds after which `allot` will give that many if nothing else is sent meanwhile. */
export const secondsUntil = (
  windows: ReadonlyArray<KeyWindow>,
  requests: number,
  terms: Terms,
  now: number
): number => {
  const changes = windows.flatMap(({ heldUntil, made }) => [
    heldUntil,
    ...made.map(([second]) => second + windowSeconds)
  ])
  const times = changes.filter((time) => time > now).sort((one, other) => one - other)
  return (
    (times.find((time) => allot(windows, requests, terms, time) !== undefined) ?? now + windowSeconds) - now
  )
}
