import { Cause, Clock, Deferred, Effect, Exit, Latch, type Scope } from "effect"
import { repeatable, storage } from "../database/storage.ts"
import type { NotAsked } from "../tasker/TaskerGate.ts"
import type { Counter } from "./planeCounter.ts"
import { type Asking, inOrder, type Waiter } from "./planeLine.ts"
import { allot, corrected, freeIn, type KeyWindow, secondsUntil, withRequests } from "./planeWindow.ts"

/**
 * The requests that Plane accepts in a minute, shared by all instances. Waiting calls of this instance are
 * served by purpose, and agent by agent.
 */
export interface Budget {
  /** Takes requests, all or none. Fails if that would take longer than five seconds or `patienceMillis`. */
  readonly take: (asking: Asking, patienceMillis: number) => Effect.Effect<Taken, NotAsked>
  /** Ends what was taken: counts each request in the second in which it was sent, and gives back the others. */
  readonly settle: (taken: Taken, sent: ReadonlyArray<Sent>) => Effect.Effect<void>
  /** Plane said how many requests it still accepts under a key. */
  readonly correct: (key: number, remaining: number) => Effect.Effect<void>
  /** Plane refused a request under a key and asked to wait. */
  readonly hold: (key: number, seconds: number) => Effect.Effect<void>
}

export interface Taken {
  /** The second in which they are counted. */
  readonly second: number
  /** Requests by the index of the key. */
  readonly counts: ReadonlyArray<number>
  /** When they were taken: monotonic clock, milliseconds. */
  readonly atMillis: number
}

export interface Sent {
  readonly key: number
  /** Monotonic clock, milliseconds. */
  readonly atMillis: number
}

/** Over all keys; only settling may use these. */
const keptForSettling = 10

export const longestWaitMillis = 5000

/** A wait for the database's count before it is asked again, if it is not there. */
const uncountedMillis = 2000

interface Short {
  readonly _tag: "Short"
  /** Requests that are too few. */
  readonly by: number
  /** After which they are free if nothing is given back. */
  readonly millis: number
}

export const make = Effect.fnUntraced(function* (
  counter: Counter,
  limit: number,
  isUsable: (key: number) => boolean
): Effect.fn.Return<Budget, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const line = new Set<Waiter<Taken, NotAsked>>()
  const served = new Map<string, number>()
  const arrival = yield* Latch.make(false)
  /** Free requests of each key as this process saw them last. */
  const free: Array<number> = []
  let turns = 0
  /** Requests that calls of this process hold and have not settled: some will be given back soon. */
  let outstanding = 0

  const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

  const counted = <A>(
    change: (windows: ReadonlyArray<KeyWindow>, now: number) => readonly [ReadonlyArray<KeyWindow>, A]
  ) =>
    counter.update((windows, now) => {
      const [changed, result] = change(windows, now)
      for (const [key, window] of changed.entries()) free[key] = freeIn(window, limit, now)
      return [changed, result]
    })

  /** Counts requests for calls in their order, up to the first for which there are too few. */
  const attempt = (all: ReadonlyArray<Asking>) =>
    Effect.flatMap(monotonicMillis, (atMillis) =>
      counted((windows, now): readonly [ReadonlyArray<KeyWindow>, ReadonlyArray<Taken | Short>] => {
        let standing = windows
        const outcomes: Array<Taken | Short> = []
        for (const asking of all) {
          const [changed, outcome] = taken(standing, asking, now, atMillis)
          standing = changed
          outcomes.push(outcome)
          if ("_tag" in outcome) break
        }
        return [standing, outcomes]
      })
    )

  const taken = (
    windows: ReadonlyArray<KeyWindow>,
    { purpose, requests }: Asking,
    now: number,
    atMillis: number
  ): readonly [ReadonlyArray<KeyWindow>, Taken | Short] => {
    const terms = { limit, keptBack: purpose === "settle" ? 0 : keptForSettling }
    const usable = windows.map((window, key) =>
      isUsable(key) ? window : { ...window, heldUntil: Number.POSITIVE_INFINITY }
    )
    const counts = allot(usable, requests, terms, now)
    if (counts === undefined) {
      const total = usable.reduce((sum, window) => sum + freeIn(window, limit, now), 0)
      const seconds = secondsUntil(usable, requests, terms, now)
      return [windows, { _tag: "Short", by: requests - (total - terms.keptBack), millis: seconds * 1000 }]
    }
    const changed = windows.map((window, key) =>
      counts[key] ? withRequests(window, now, counts[key], now) : window
    )
    return [changed, { second: now, counts, atMillis }]
  }

  const refuse = (
    waiter: Waiter<Taken, NotAsked>,
    because: NotAsked["because"],
    millis: number
  ): Effect.Effect<unknown> => {
    line.delete(waiter)
    const refusal: NotAsked = { _tag: "NotAsked", because, millis }
    return Deferred.fail(waiter.done, refusal)
  }

  /** Serves the line by one count, as far as there are requests, or waits until its first can be served. */
  const serve = Effect.gen(function* () {
    // Before the line is looked at, so that no arrival goes unnoticed.
    yield* arrival.close
    const now = yield* monotonicMillis
    for (const waiter of line) {
      if (waiter.deadline <= now) yield* refuse(waiter, "budget", waiter.advisedMillis)
    }
    const order = inOrder(line, served, turns)
    const [first] = order
    if (first === undefined) return yield* arrival.await
    // A count that was carried out twice is too high for a minute.
    const attempted = yield* Effect.exit(storage(repeatable(attempt(order.map(({ asking }) => asking)))))
    if (Exit.isFailure(attempted)) {
      if (Cause.hasDies(attempted.cause)) yield* Effect.logError("Failed to count requests", attempted.cause)
      return yield* refuse(first, "uncounted", uncountedMillis)
    }
    for (const [at, outcome] of attempted.value.entries()) {
      const waiter = order[at]
      if (waiter === undefined) continue
      yield* "_tag" in outcome ? short(waiter, outcome, now) : grant(waiter, outcome)
    }
  })

  const grant = (waiter: Waiter<Taken, NotAsked>, requests: Taken): Effect.Effect<unknown> =>
    Effect.suspend((): Effect.Effect<unknown> => {
      served.set(waiter.asking.agent, ++turns)
      outstanding += waiter.asking.requests
      return line.delete(waiter) ? Deferred.succeed(waiter.done, requests) : settle(requests, [])
    })

  /** Refuses a call for which requests will not be free in time, or waits until they may be. */
  const short = (
    waiter: Waiter<Taken, NotAsked>,
    { by, millis }: Short,
    now: number
  ): Effect.Effect<unknown> =>
    Effect.suspend((): Effect.Effect<unknown> => {
      waiter.advisedMillis = millis
      if (now + millis > waiter.deadline && by > outstanding) return refuse(waiter, "budget", millis)
      return Effect.raceFirst(Effect.sleep(Math.min(millis, waiter.deadline - now)), arrival.await)
    })

  const settle: Budget["settle"] = ({ atMillis, counts, second }, sent) =>
    Effect.suspend(() => {
      const seconds = sent.map((one) => ({
        key: one.key,
        second: second + Math.max(0, Math.floor((one.atMillis - atMillis) / 1000))
      }))
      const isExact =
        seconds.every((one) => one.second === second) &&
        counts.every((count, key) => count === sent.filter((one) => one.key === key).length)
      outstanding -= counts.reduce((sum, count) => sum + count, 0)
      if (isExact) return Effect.asVoid(arrival.open)
      return recorded((windows, now) =>
        windows.map((window, key) => {
          const taken = counts[key] ?? 0
          const own = seconds.filter((one) => one.key === key)
          const returned = taken === 0 ? window : withRequests(window, second, -taken, now)
          return own.reduce((rest, one) => withRequests(rest, one.second, 1, now), returned)
        })
      )
    })

  /** A count that could not be corrected is off by a few requests for a minute. */
  const recorded = (
    change: (windows: ReadonlyArray<KeyWindow>, now: number) => ReadonlyArray<KeyWindow>
  ): Effect.Effect<void> =>
    storage(counted((windows, now) => [change(windows, now), undefined])).pipe(
      Effect.ignore,
      Effect.andThen(arrival.open),
      Effect.asVoid
    )

  const ofKey =
    (key: number, change: (window: KeyWindow, now: number) => KeyWindow) =>
    (windows: ReadonlyArray<KeyWindow>, now: number) =>
      windows.map((window, index) => (index === key ? change(window, now) : window))

  yield* Effect.forkIn(Effect.forever(serve), scope)

  return {
    take: Effect.fnUntraced(function* (asking, patienceMillis) {
      const now = yield* monotonicMillis
      const waiter: Waiter<Taken, NotAsked> = {
        asking,
        order: ++turns,
        deadline: now + Math.min(longestWaitMillis, patienceMillis),
        advisedMillis: longestWaitMillis,
        done: yield* Deferred.make<Taken, NotAsked>()
      }
      line.add(waiter)
      yield* arrival.open
      return yield* Effect.onInterrupt(Deferred.await(waiter.done), () =>
        Effect.suspend(() =>
          // Served in the moment in which it was given up.
          line.delete(waiter)
            ? Effect.void
            : Effect.ignore(Effect.flatMap(Deferred.await(waiter.done), (taken) => settle(taken, [])))
        )
      )
    }),
    settle,
    correct: (key, remaining) =>
      remaining >= (free[key] ?? 0)
        ? Effect.void
        : recorded(ofKey(key, (window, now) => corrected(window, limit, remaining, now))),
    hold: (key, seconds) =>
      recorded(
        ofKey(key, (window, now) => ({ ...window, heldUntil: Math.max(window.heldUntil, now + seconds) }))
      )
  }
})
