import { availableParallelism } from "node:os"
import { Clock, Duration, Effect, Layer } from "effect"
import type { LimitReached } from "../../domain/Failure.ts"
import type { AgentId } from "../../domain/Ids.ts"
import {
  lightMillis,
  longestMillis,
  mostWaiting,
  shareMillis,
  shareUsed,
  shareWindowSeconds,
  tooManyTexts
} from "../../domain/TextShare.ts"
import { Texts } from "../../services/Texts.ts"
import { isFull, type Place, Slots, type Waiter } from "../tasker/taskerSlots.ts"
import { agentTexts, type Perform } from "./agentTexts.ts"
import { CpuShares } from "./CpuShares.ts"
import { atOnce, isShort, micros } from "./shortWork.ts"
import { type Limits, type Outcome, TextWorkers } from "./TextWorkers.ts"
import type { Input, Output, WorkName } from "./work.ts"

/** Two at least, so that agents that use much can't hold them all. More than a few serve nobody. */
const workersOf = (processors: number): number => Math.min(Math.max(processors, 2), 4)

/** What is refused rather than waits longer, in milliseconds. */
const patience = 10_000

/** Work that takes a time linear to its text, and may therefore take as much longer. */
const linear: ReadonlySet<WorkName> = new Set(["plain", "sameWords", "holdsSecret", "tokens"])
const linearly = 10

/** Pause of what is put off and never refused, in milliseconds. */
const shortestWait = 50

const standing: Limits & { readonly cpuMillis: number } = {
  cpuMillis: longestMillis,
  wallMillis: 30_000,
  idleMillis: 60_000
}

/** Agents that used little of their shares, and those that used much, each with workers of their own. */
type Lane = Slots<Turn>

interface Turn extends Waiter {
  place: Place<Turn> | undefined
  onSlot: () => void
}

export const make = Effect.fnUntraced(function* (limits: typeof standing = standing) {
  const shares = new CpuShares(shareMillis, shareWindowSeconds * 1000)
  const workers = new TextWorkers(limits)
  yield* Effect.addFinalizer(() => Effect.promise(() => workers.close()))
  const size = workersOf(availableParallelism())
  const laneOf = (underWay: number): Lane =>
    new Slots({ underWay, underWayOfOne: 1, waiting: 10 * mostWaiting, waitingOfOne: mostWaiting })
  const light = laneOf(Math.ceil(size / 2))
  const heavy = laneOf(Math.floor(size / 2))

  const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

  /** Waits for a worker. Fails with the time after which to ask again. */
  const enter = (lane: Lane, agent: AgentId, turn: Turn): Effect.Effect<void, number> =>
    Effect.flatMap(nowMillis, (now) =>
      Effect.callback<void, number>((resume) => {
        const place = lane.enter(agent, now, patience, turn)
        if (isFull(place)) return resume(Effect.fail(place.millis))
        turn.place = place
        turn.onSlot = () => resume(Effect.void)
        if (place.since !== undefined) turn.onSlot()
      })
    )

  const leave = (lane: Lane, { place }: Turn): Effect.Effect<void> =>
    place === undefined ? Effect.void : Effect.map(nowMillis, (now) => lane.leave(place, now))

  const inWorker = <N extends WorkName>(name: N, input: Input<N>): Effect.Effect<Outcome> =>
    Effect.callback((resume) =>
      workers.run({ name, input }, limits.cpuMillis * (linear.has(name) ? linearly : 1), (outcome) =>
        resume(Effect.succeed(outcome))
      )
    )

  /** Does one piece of work. Undefined if it took too long, or failed. */
  const perform = Effect.fnUntraced(function* <N extends WorkName>(
    agent: AgentId,
    name: N,
    input: Input<N>
  ): Effect.fn.Return<Output<N> | undefined, number> {
    const used = shares.used(agent, yield* nowMillis)
    if (used < lightMillis && isShort(name, input)) {
      shares.charge(agent, micros(name, input) / 1000, yield* nowMillis)
      return atOnce(name, input)
    }
    const lane = used < lightMillis ? light : heavy
    const turn: Turn = { place: undefined, onSlot: () => {} }
    // A worker that began is left to its end or its limit: starting another one costs more.
    const outcome = yield* enter(lane, agent, turn).pipe(
      Effect.andThen(Effect.uninterruptible(inWorker(name, input))),
      Effect.onExit(() => leave(lane, turn))
    )
    shares.charge(agent, outcome.cpuMillis, yield* nowMillis)
    if (outcome._tag === "Done") return outcome.output as Output<N>
    yield* outcome._tag === "Expired"
      ? Effect.logWarning("A text took too long to convert", { work: name, agent_id: agent })
      : Effect.logError("A text could not be converted", { work: name, because: outcome.because })
    return undefined
  })

  const refusing =
    (agent: AgentId): Perform<LimitReached> =>
    (name, input) =>
      Effect.gen(function* () {
        const millis = shares.until(agent, shareMillis, yield* nowMillis)
        if (millis > 0) return yield* shareUsed(seconds(millis))
        return yield* Effect.mapError(perform(agent, name, input), (wait) => tooManyTexts(seconds(wait)))
      })

  const patient = (agent: AgentId): Perform<never> => {
    const does: Perform<never> = (name, input) =>
      Effect.catch(perform(agent, name, input), (wait) =>
        Effect.andThen(Effect.sleep(Duration.millis(Math.max(wait, shortestWait))), does(name, input))
      )
    return does
  }

  return Texts.of({
    of: (agent) => agentTexts(refusing(agent)),
    owed: (agent) => agentTexts(patient(agent)),
    short: agentTexts(unknown)
  })
})

export const layer = Layer.effect(Texts, make())

const unknown: Perform<never> = (name, input) =>
  isShort(name, input)
    ? Effect.sync(() => atOnce(name, input))
    : Effect.die(new Error("A long text was to be converted for a caller who is not known"))

const seconds = (millis: number): number => Math.min(Math.max(1, Math.ceil(millis / 1000)), 60)
