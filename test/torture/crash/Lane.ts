import { randomUUID } from "node:crypto"
import { Effect, Exit, Fiber, Scope } from "effect"
import type { WriteRow } from "../../support/writes.ts"
import { type Gateway, startGateway } from "./Gateway.ts"
import { type Holding, look, mayLinger, operationIdOf, runOut, settleAfter, undecided } from "./Holding.ts"
import type { Place } from "./Place.ts"
import { callOf, type Scene, setScene, signsOf, type Told } from "./Scene.ts"
import { until } from "./until.ts"
import { type Point, pointName, type Trace } from "./Watch.ts"

/**
 * Which call dies: the first with its key, or one that settles what an earlier gateway left, which died
 * before its write came to Tasker, or after Tasker had carried it out.
 */
export const stages = [
  "the first call",
  "settling a write that was not sent",
  "settling a write that was done"
] as const
export type Stage = (typeof stages)[number]

/** How what a dead gateway left is settled: the agent calls again, or nobody does and recovery finds it. */
export const endings = ["called again", "nobody calls"] as const
export type Ending = (typeof endings)[number]

/** One call, and where the gateway dies that carries it out. */
export interface Plan {
  readonly row: WriteRow
  readonly stage: Stage
  readonly point: Point
  readonly ending: Ending
}

/** All that was seen of a call whose gateway died, and of what came after. */
export interface Crash {
  readonly plan: Plan
  /** What the client of that call was told in the end. */
  readonly told: Told
  /** Right after. */
  readonly after: Holding
  /** What the same call is told by another gateway before the dead one's lease has run out; only if `called again`. */
  readonly atOnce: Told | undefined
  /** What it is told once the lease has run out, with a request that may still be on its way; only if `called again`. */
  readonly early: Early | undefined
  /** After recovery; where the agent calls, after the first call once no request could be on its way any more. */
  readonly settled: Holding
  /** What the same call was told then, and once more. */
  readonly answers: readonly [Told, Told]
  readonly end: Holding
}

export interface Early {
  readonly told: Told
  /** True if a request might still have been on its way when this was answered. */
  readonly mayLinger: boolean
  readonly holding: Holding
}

/**
 * A place with a gateway in it, which is killed again and again. The gateway that settles what one has
 * left is the next to die, so that each death costs one start; and several calls die with it, each
 * stopped at a point of its own, none of them knowing of the others.
 */
export interface Lane {
  /** The points that the call of a stage passes where nothing goes wrong. */
  readonly record: (row: WriteRow, stage: Stage) => Effect.Effect<ReadonlyArray<Point>>
  /** Has all of these calls die at once. They are of one ending. */
  readonly crash: (plans: ReadonlyArray<Plan>, ending: Ending) => Effect.Effect<ReadonlyArray<Crash>>
}

/** Where the gateway of an earlier call dies, so that a later one has that to settle. */
const sendAt = (moment: Point["moment"]): Point => ({
  exchange: { between: "gateway and Tasker", name: "send" },
  moment
})
const before: Readonly<Record<Stage, Point | undefined>> = {
  "the first call": undefined,
  "settling a write that was not sent": sendAt("asked"),
  "settling a write that was done": sendAt("carried out")
}

interface Started {
  readonly scene: Scene
  readonly trace: Trace
  readonly told: Fiber.Fiber<Told>
}

const all = { concurrency: "unbounded" } as const

/** `onKill` is told of each gateway that is killed. */
export const makeLane = (place: Place, onKill: () => void): Effect.Effect<Lane, never, Scope.Scope> =>
  Effect.gen(function* () {
    const laneScope = yield* Effect.scope
    let gateway: Gateway
    let living: Scope.Closeable

    const start = Effect.fnUntraced(function* (recovery: "runs" | "is held back") {
      living = yield* Scope.fork(laneScope)
      gateway = yield* startGateway(place, recovery).pipe(Scope.provide(living))
    })
    yield* start("runs")

    /** Begins a scene's call, which is followed to a point or to its end. */
    const begin = Effect.fnUntraced(function* (scene: Scene, stop: Point | undefined) {
      const requestId = randomUUID()
      const signs = signsOf(scene, yield* operationIdOf(place, scene))
      const trace = gateway.watch.follow({ requestId, workspaceSlug: scene.workspaceSlug, signs }, stop)
      return { scene, trace, told: yield* Effect.forkIn(callOf(gateway, scene, requestId), laneScope) }
    })

    /** Once each call stands where it was to stop, ends the gateway under them. What each client was told. */
    const die = Effect.fnUntraced(function* (started: ReadonlyArray<Started>) {
      yield* until(
        "every call stands where it was to stop, or has ended",
        Effect.sync(() =>
          started.every(({ told, trace }) => trace.stands() || told.pollUnsafe() !== undefined)
        )
      )
      for (const { scene, trace } of started) {
        if (trace.stands()) continue
        const passed = trace.passed().map(pointName).join(" → ")
        return yield* Effect.die(
          new Error(`A call of ${scene.tool} did not stop where it was to, but went ${passed}`)
        )
      }
      yield* gateway.kill
      onKill()
      yield* Scope.close(living, Exit.void)
      return yield* Effect.forEach(started, ({ told }) => Fiber.join(told))
    })

    /** Scenes in which everything was done up to the call that is meant. */
    const scenesFor = Effect.fnUntraced(function* (plans: ReadonlyArray<Pick<Plan, "row" | "stage">>) {
      const scenes = yield* Effect.forEach(plans, ({ row }) => setScene(place, gateway, row))
      const earlier = plans.flatMap(({ stage }, at) => {
        const [point, scene] = [before[stage], scenes[at]]
        return point === undefined || scene === undefined ? [] : [begin(scene, point)]
      })
      if (earlier.length > 0) {
        yield* die(yield* Effect.all(earlier))
        yield* Effect.forEach(scenes, (scene) =>
          Effect.andThen(runOut(place, scene), settleAfter(place, scene))
        )
        yield* start("is held back")
      }
      return scenes
    })

    const record = Effect.fnUntraced(function* (row: WriteRow, stage: Stage) {
      for (const scene of yield* scenesFor([{ row, stage }])) {
        const { told, trace } = yield* begin(scene, undefined)
        const answer = yield* Fiber.join(told)
        if (answer._tag === "Done") return trace.passed()
        return yield* Effect.die(new Error(`${row.tool}: ${JSON.stringify(answer)}`))
      }
      return []
    })

    const crash = Effect.fnUntraced(function* (plans: ReadonlyArray<Plan>, ending: Ending) {
      const scenes = yield* scenesFor(plans)
      const told = yield* die(yield* Effect.all(scenes.map((scene, at) => begin(scene, plans[at]?.point))))
      const after = yield* Effect.forEach(scenes, (scene) => look(place, scene))
      const settling = ending === "called again" ? calledAgain : nobodyCalls
      if (ending === "nobody calls") yield* Effect.forEach(scenes, (scene) => runOut(place, scene))
      yield* start(ending === "called again" ? "is held back" : "runs")
      if (ending === "nobody calls") {
        yield* until(
          "recovery has settled what nobody calls for",
          Effect.map(undecided(place, scenes), (count) => count === 0)
        )
      }
      const settled = yield* Effect.forEach(scenes, settling, all)
      yield* gateway.letRecover
      return plans.flatMap((plan, at): ReadonlyArray<Crash> => {
        const [t, a, s] = [told[at], after[at], settled[at]]
        return t === undefined || a === undefined || s === undefined
          ? []
          : [{ plan, told: t, after: a, ...s }]
      })
    })

    const calledAgain = Effect.fnUntraced(function* (scene: Scene) {
      const atOnce = yield* callOf(gateway, scene)
      yield* runOut(place, scene)
      const told = yield* callOf(gateway, scene)
      const early: Early = {
        told,
        mayLinger: yield* mayLinger(place, scene),
        holding: yield* look(place, scene)
      }
      yield* settleAfter(place, scene)
      const first = yield* callOf(gateway, scene)
      const settled = yield* look(place, scene)
      const second = yield* callOf(gateway, scene)
      return {
        atOnce: atOnce as Told | undefined,
        early: early as Early | undefined,
        settled,
        answers: [first, second] as const,
        end: yield* look(place, scene)
      }
    })

    const nobodyCalls = Effect.fnUntraced(function* (scene: Scene) {
      const settled = yield* look(place, scene)
      const first = yield* callOf(gateway, scene)
      const second = yield* callOf(gateway, scene)
      return {
        atOnce: undefined as Told | undefined,
        early: undefined as Early | undefined,
        settled,
        answers: [first, second] as const,
        end: yield* look(place, scene)
      }
    })

    return { record, crash }
  })
