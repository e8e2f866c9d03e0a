import { Cause, Clock, Effect, Exit, type Fiber, Option, Random } from "effect"
import type { Broken, Reply } from "./TaskerHttp.ts"
import { retryAfter } from "./taskerAnswers.ts"
import {
  type Asking,
  Breaker,
  type Ending,
  isShut,
  type Leave,
  type Shut,
  type Turn
} from "./taskerBreaker.ts"
import { isFull, type Place, Slots, type Waiter } from "./taskerSlots.ts"

/** How many calls of Tasker may be under way; a connection for each. */
export const mostUnderWay = 64

const bounds = {
  underWay: mostUnderWay,
  /** A quarter: three agents that flood leave a quarter free. */
  underWayOfOne: 16,
  /** Each that waits holds its body, 256 KB at most. */
  waiting: 256,
  waitingOfOne: 64
}

/** Of a call's time at most this part is spent waiting: what is sent then has as much again to be answered in. */
const longestWaitShare = 0.5

/** The gateway did not ask: no byte was sent. */
export interface NotAsked {
  readonly _tag: "NotAsked"
  readonly because: "failing" | "held" | "busy" | "agent_busy" | "budget" | "uncounted"
  /** After which it is worth asking again. */
  readonly millis: number
}

/**
 * What every call to Tasker passes: so many at a time, in fair turns, and none while Tasker is failing
 * or has asked to be left alone. One for a Tasker and a process; `docs/TASKER_API_AUDIT.md` has the
 * figures and why.
 */
export interface Gate {
  /**
   * Makes one exchange, or refuses it, at once or after waiting for at most half of its time. `exchange`
   * is given the milliseconds that are left. Interrupted wherever it is, it leaves nothing occupied. A try
   * after which the call `goesOn` does not count for the circuit breaker: a call has one outcome.
   */
  pass(
    asking: Asking,
    millis: number,
    exchange: (millis: number) => Effect.Effect<Reply, Broken>,
    goesOn: (exit: Tried) => boolean
  ): Effect.Effect<Reply, Broken | NotAsked>
  /** Why no call would be made now; undefined if one would. Sends nothing. */
  readonly shut: Effect.Effect<Shut | undefined>
  /** True if the circuit breaker is open and the next call but a look-up would be its probe. */
  readonly isProbeDue: Effect.Effect<boolean>
}

/** The end of one try. */
export type Tried = Exit.Exit<Reply, Broken | NotAsked>

/** What a call holds on its way, each given back when it ends. */
interface Held extends Waiter {
  leave: Leave | undefined
  place: Place<Held> | undefined
  onSlot: () => void
  onRefused: (refusal: NotAsked) => void
}

/** Makes a gate that pauses all calls when a response of one of these statuses has `Retry-After`. */
export const makeFor = (pausing: ReadonlyArray<number>): Effect.Effect<Gate> =>
  Effect.sync(() => {
    const slots = new Slots<Held>(bounds)
    const turns: Array<Turn> = []
    const breaker = new Breaker((turn) => turns.push(turn))

    const enter = (
      held: Held,
      asking: Asking,
      millis: number,
      fiber: Fiber.Fiber<unknown, unknown>
    ): Effect.Effect<number, NotAsked> => {
      const now = monotonicMillis(fiber)
      const admitted = breaker.admit(now, asking)
      if (isShut(admitted)) return Effect.fail(notAsked(admitted.because, admitted.millis))
      held.leave = admitted
      const patience = millis * longestWaitShare
      const place = slots.enter(asking.agent, now, patience, held)
      if (isFull(place))
        return Effect.fail(notAsked(place.of === "all" ? "busy" : "agent_busy", place.millis))
      held.place = place
      if (place.since !== undefined) {
        return turns.length === 0 ? Effect.succeed(millis) : Effect.as(announce(turns.splice(0)), millis)
      }
      const waited = Effect.callback<number, NotAsked>((resume) => {
        // A timer of its own, as the exchange has: what can't be interrupted has to end in time as well.
        const timer = setTimeout(() => resume(Effect.fail(notAsked("busy", patience))), patience)
        held.onSlot = () => {
          clearTimeout(timer)
          resume(Effect.succeed(Math.ceil(millis - (monotonicMillis(fiber) - now))))
        }
        held.onRefused = (refusal) => {
          clearTimeout(timer)
          resume(Effect.fail(refusal))
        }
        return Effect.sync(() => clearTimeout(timer))
      })
      return turns.length === 0 ? waited : Effect.andThen(announce(turns.splice(0)), waited)
    }

    const leave = (
      { leave, place }: Held,
      asking: Asking,
      exit: Tried,
      goesOn: (exit: Tried) => boolean,
      fiber: Fiber.Fiber<unknown, unknown>
    ): Effect.Effect<void> => {
      const now = monotonicMillis(fiber)
      if (leave !== undefined) {
        const end = endingOf(exit)
        // After a probe that failed the next try would be refused, so there is none.
        const again = !(leave.probe && end === "failed") && goesOn(exit)
        const ending = again && !leave.probe ? "untold" : end
        breaker.end(leave, asking, ending, now, () => fiber.getRef(Random.Random).nextDoubleUnsafe())
      }
      if (Exit.isSuccess(exit) && pausing.includes(exit.value.status)) {
        const seconds = retryAfter(exit.value, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
        if (seconds !== undefined) breaker.hold(seconds * 1000, now)
      }
      // Taken first: whoever is refused leaves at once, and with it this line is gone through again.
      const told = turns.splice(0)
      if (told.length > 0) refuseLine(now)
      if (place !== undefined) slots.leave(place, now)
      return told.length === 0 ? Effect.void : announce(told)
    }

    /** Fails every queued call when calls to Tasker are no longer admitted. */
    const refuseLine = (now: number): void => {
      const shut = breaker.shut(now)
      if (shut === undefined) return
      for (const { leave, onRefused } of slots.line()) {
        // The one call that tries whether Tasker answers again waits for its slot like any other.
        if (leave?.probe !== true) onRefused(notAsked(shut.because, shut.millis))
      }
    }

    return {
      pass: (asking, millis, exchange, goesOn) =>
        Effect.withFiber((fiber) => {
          const held: Held = { leave: undefined, place: undefined, onSlot: ignore, onRefused: ignore }
          return Effect.onExit(
            Effect.flatMap(
              Effect.suspend(() => enter(held, asking, millis, fiber)),
              exchange
            ),
            (exit) => leave(held, asking, exit, goesOn, fiber)
          )
        }),
      shut: Effect.withFiber((fiber) => Effect.succeed(breaker.shut(monotonicMillis(fiber)))),
      isProbeDue: Effect.withFiber((fiber) => Effect.succeed(breaker.isProbeDue(monotonicMillis(fiber))))
    }
  })

/** A gate for a Tasker that asks by 429 or 503 to be left alone. */
export const make: Effect.Effect<Gate> = makeFor([429, 503])

const ignore = (): void => {}

const notAsked = (because: NotAsked["because"], millis: number): NotAsked => ({
  _tag: "NotAsked",
  because,
  millis
})

export const monotonicMillis = (fiber: Fiber.Fiber<unknown, unknown>): number =>
  Number(fiber.getRef(Clock.Clock).monotonicTimeNanosUnsafe()) / 1e6

/** An answer that can't be read is one: Tasker is there, and what it says is judged elsewhere. */
const endingOf = (exit: Tried): Ending => {
  if (Exit.isSuccess(exit)) return exit.value.status >= 500 ? "failed" : "answered"
  switch (Option.getOrUndefined(Cause.findErrorOption(exit.cause))?._tag) {
    case "NotSent":
    case "TimedOut":
    case "Cut":
      return "failed"
    case "TooLong":
    case "Unreadable":
      return "answered"
    default:
      return "untold"
  }
}

/** Once for each change, and never for a call that is refused. */
const announce = (turns: ReadonlyArray<Turn>): Effect.Effect<void> =>
  Effect.forEach(turns, announceOne, { discard: true })

const announceOne = (turn: Turn): Effect.Effect<void> => {
  switch (turn._tag) {
    case "Opened":
      return Effect.logWarning(
        `Circuit breaker open: ${turn.failed} of the last ${turn.calls} calls to Tasker failed. Sending one probe in ${inSeconds(turn.millis)}.`
      )
    case "Reopened":
      return Effect.logWarning(
        `Circuit breaker still open: the probe failed. Sending the next in ${inSeconds(turn.millis)}.`
      )
    case "Probing":
      return Effect.logInfo("Circuit breaker half-open: sending one probe.")
    case "Closed":
      return Effect.logInfo("Circuit breaker closed: Tasker answered the probe.")
    case "Held":
      return Effect.logWarning(`Tasker sent Retry-After; pausing all calls for ${inSeconds(turn.millis)}.`)
  }
}

const inSeconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`
