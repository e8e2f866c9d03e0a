import { Clock, Effect, Exit, Option, Redacted, type Scope } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import type { NotAsked } from "../tasker/TaskerGate.ts"
import type { Reply } from "../tasker/TaskerHttp.ts"
import type { Admission, Admit } from "../tasker/TaskerSend.ts"
import { retryAfter } from "../tasker/taskerAnswers.ts"
import { isWrite, type Outgoing } from "../tasker/taskerCalls.ts"
import type { Unconfigured } from "../tasker/taskerFailures.ts"
import type { Budget, Sent, Taken } from "./PlaneBudget.ts"

/**
 * Admits requests to Plane by the budget, each under an API key. The first request of a write takes what the
 * whole call needs, so that a call which can't be made in time fails before its key is reserved.
 */
export interface Admissions {
  readonly admit: Admit
  /** Ends the sending of a call's write, whether anything was sent or not. */
  readonly finish: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<void>
  /** Gives back what a call does not need any more, if its write is over and the whole project is known. */
  readonly spare: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<void>
}

interface Options {
  /** A setting that forbids every call. */
  readonly fault: Effect.Effect<Unconfigured | undefined>
  /** Number of requests that a call needs before it knows the project. */
  readonly missing: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<number>
}

/** Requests of one call, taken together. */
interface Lease {
  readonly taken: Effect.Effect<Taken, NotAsked>
  /** Keys of requests that are not sent, set once they are taken. */
  readonly unsent: Array<number>
  readonly sent: Array<Sent>
  /** Requests in flight. */
  open: number
  /** True until its write is sent: the last request is kept for it. */
  awaitsWrite: boolean
  /** Monotonic clock, milliseconds. */
  usedAt: number
  released: boolean
}

/** A request that may be sent now. */
interface Drawn {
  readonly from: Lease
  /** Index of the key. */
  readonly key: number
}

/** The card that is read when a write is planned, and the write itself. */
const requestsOfWrite = 2

/** A call that sends nothing for so long is over, or waits for something else than Plane. */
const idleMillis = 10_000
/** No request is in flight for so long. */
const longestMillis = 120_000

/** At most this part of a request's time is spent waiting for the budget. */
const waitShare = 0.5

export const make = Effect.fnUntraced(function* (
  budget: Budget,
  keys: ReadonlyArray<Redacted.Redacted<string>>,
  { fault, missing }: Options
): Effect.fn.Return<Admissions, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const leases = new Map<string, Lease>()
  const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
  const later = (effect: Effect.Effect<void>) => Effect.asVoid(Effect.forkIn(effect, scope))

  /** Counts what was sent and gives back the rest. Later requests of the call are taken one by one. */
  const release = (lease: Lease): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (lease.released) return Effect.void
      lease.released = true
      lease.unsent.length = 0
      return Effect.ignore(Effect.flatMap(lease.taken, (taken) => budget.settle(taken, lease.sent)))
    })

  const close = (id: string, lease: Lease): Effect.Effect<void> => {
    if (leases.get(id) === lease) leases.delete(id)
    return release(lease)
  }

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...leases], ([id, lease]) => close(id, lease), { discard: true })
  )

  const lease = Effect.fnUntraced(function* (
    who: OnBehalf,
    requests: number,
    patience: number
  ): Effect.fn.Return<Lease> {
    const unsent: Array<number> = []
    const taken = yield* Effect.cached(
      Effect.tap(
        budget.take({ agent: who.agent.id, purpose: who.purpose ?? "read", requests }, patience),
        ({ counts }) =>
          Effect.sync(() => unsent.push(...counts.flatMap((count, key) => Array<number>(count).fill(key))))
      )
    )
    return {
      taken,
      unsent,
      sent: [],
      open: 0,
      awaitsWrite: true,
      usedAt: yield* monotonicMillis,
      released: false
    }
  })

  const idle = (id: string, known: Lease): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (;;) {
        const quiet = (yield* monotonicMillis) - known.usedAt
        if (leases.get(id) !== known) return
        if (quiet >= (known.open === 0 ? idleMillis : longestMillis)) return yield* close(id, known)
        yield* Effect.sleep(Math.max(1000, idleMillis - quiet))
      }
    })

  /** The lease of a write's call, begun by its first request. */
  const ofWrite = Effect.fnUntraced(function* (call: Outgoing, patience: number) {
    const id = idOf(call.who)
    const known = leases.get(id)
    if (known !== undefined) return known
    const { projectId, who } = call
    const unknown = projectId === undefined ? 0 : yield* missing(who, projectId)
    const made = yield* lease(who, unknown + requestsOfWrite, patience)
    const meanwhile = leases.get(id)
    if (meanwhile !== undefined) return meanwhile
    leases.set(id, made)
    yield* later(idle(id, made))
    return made
  })

  /** Draws a request from the lease of a write's call; undefined if there is none left for it. */
  const fromLease = Effect.fnUntraced(function* (
    call: Outgoing,
    patience: number
  ): Effect.fn.Return<Drawn | undefined, NotAsked> {
    const known = yield* ofWrite(call, patience)
    yield* Effect.tapError(known.taken, () => close(idOf(call.who), known))
    const kept = known.awaitsWrite && !isWrite(call) ? 1 : 0
    return known.unsent.length > kept ? drawn(known) : undefined
  })

  const alone = Effect.fnUntraced(function* (
    call: Outgoing,
    patience: number
  ): Effect.fn.Return<Drawn, NotAsked> {
    const from = yield* lease(call.who, 1, patience)
    yield* from.taken
    return drawn(from)
  })

  const drawn = (from: Lease): Drawn => {
    const key = from.unsent.shift() ?? 0
    from.open++
    return { from, key }
  }

  const admit: Admit = Effect.fnUntraced(function* (call, millis): Effect.fn.Return<
    Admission,
    NotAsked | Unconfigured
  > {
    const unconfigured = yield* fault
    if (unconfigured !== undefined) return yield* Effect.fail(unconfigured)
    const patience = millis * waitShare
    const shared = call.who.purpose === "write" ? yield* fromLease(call, patience) : undefined
    const { from, key } = shared ?? (yield* alone(call, patience))
    if (isWrite(call)) from.awaitsWrite = false
    return {
      headers: { "x-api-key": Redacted.value(keys[key] ?? Redacted.make("")) },
      end: Effect.fnUntraced(function* (exit) {
        const now = yield* Clock.monotonicTimeNanos
        const sentAt = sentAtOf(exit, now)
        from.open--
        from.usedAt = Number(now) / 1e6
        if (sentAt !== undefined) from.sent.push({ key, atMillis: Number(sentAt) / 1e6 })
        else if (!from.released) from.unsent.unshift(key)
        if (shared === undefined) yield* later(release(from))
        if (Exit.isSuccess(exit)) yield* heed(key, exit.value)
      })
    }
  })

  /** Takes over what Plane says of its own count. */
  const heed = Effect.fnUntraced(function* (key: number, reply: Reply) {
    if (reply.status === 429) {
      const seconds = retryAfter(reply, yield* Clock.currentTimeMillis) ?? defaultHoldSeconds
      return yield* later(budget.hold(key, Math.ceil(seconds)))
    }
    const remaining = reply.headers["x-ratelimit-remaining"]
    if (typeof remaining === "string" && /^\d{1,9}$/.test(remaining)) {
      yield* later(budget.correct(key, Number(remaining)))
    }
  })

  const spare: Admissions["spare"] = Effect.fnUntraced(function* (who, projectId) {
    const known = leases.get(idOf(who))
    if (known === undefined || known.open > 0 || known.awaitsWrite) return
    // The names that the response is worded with may still have to be read.
    if ((yield* missing(who, projectId)) === 0) yield* later(release(known))
  })

  return {
    admit,
    spare,
    finish: (who, projectId) =>
      Effect.suspend(() => {
        const known = leases.get(idOf(who))
        if (known !== undefined) known.awaitsWrite = false
        return spare(who, projectId)
      })
  }
})

const defaultHoldSeconds = 10

const idOf = ({ agent, requestId }: OnBehalf): string => `${agent.id} ${requestId}`

/** When a request left; undefined if it did not, or if Plane does not count it. One that was given up may have left. */
const sentAtOf = (exit: Parameters<Admission["end"]>[0], now: bigint): bigint | undefined => {
  if (Exit.isSuccess(exit)) return exit.value.status === 429 ? undefined : exit.value.sentAt
  const broken = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (broken === undefined) return now
  return "sentAt" in broken ? broken.sentAt : undefined
}
