import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cause, Effect, Exit, Scope } from "effect"
import type { WriteRow } from "../../support/writes.ts"
import type { TaskerKind } from "./Counterpart.ts"
import { warmUp } from "./Gateway.ts"
import {
  type Crash,
  type Ending,
  endings,
  type Lane,
  makeLane,
  type Plan,
  type Stage,
  stages
} from "./Lane.ts"
import { makePlace, type Place } from "./Place.ts"
import { faultsOf } from "./verdict.ts"
import { moments, type Point } from "./Watch.ts"

/** One death that was tried, and what is wrong with how it ended. */
export interface Tried {
  readonly plan: Plan
  /** Undefined where it could not be carried through, of which the faults then say why. */
  readonly crash: Crash | undefined
  readonly faults: ReadonlyArray<string>
}

/** What one call passes where nothing goes wrong. */
export interface Recorded {
  readonly row: WriteRow
  readonly stage: Stage
  readonly points: ReadonlyArray<Point>
}

export interface Matrix {
  readonly recorded: ReadonlyArray<Recorded>
  readonly tried: ReadonlyArray<Tried>
  /** Gateway processes that were killed, those included whose death is only the beginning of a stage. */
  readonly kills: number
}

export interface Options {
  /** How many gateways live and die at the same time, each at a place of its own. */
  readonly lanes: number
  readonly kind: TaskerKind
  readonly rows: ReadonlyArray<WriteRow>
  /** After each kill: what came of it, and how many are left. */
  readonly onTried?: (tried: ReadonlyArray<Tried>, left: number) => void
}

/** What dies together: calls that stop at the same moment, each of another exchange or tool. */
interface Batch {
  readonly ending: Ending
  readonly plans: ReadonlyArray<Plan>
}

/**
 * A call that stops between gateway and database keeps one of the gateway's ten connections, which are
 * three of each tool's calls at a moment; those that go on need one, too.
 */
const toolsAtOnce = 2

/**
 * Records a call of every tool and stage, then has it die at every point that it passed, for each way in
 * which that can end.
 */
export const runMatrix = (
  serverUrl: string,
  { kind, lanes, onTried, rows }: Options
): Effect.Effect<Matrix> =>
  Effect.scoped(
    Effect.gen(function* () {
      const variables = { NODE_COMPILE_CACHE: yield* temporaryFolder }
      let kills = 0
      const open = openLane(makePlace(serverUrl, variables, kind), () => {
        kills += 1
      })
      yield* Effect.scoped(Effect.flatMap(makePlace(serverUrl, variables, kind), warmUp))

      const first = yield* open
      const recorded: Array<Recorded> = []
      for (const stage of stages) {
        for (const row of rows) recorded.push({ row, stage, points: yield* first.lane.record(row, stage) })
      }
      const waiting = batchesOf(recorded)
      const tried: Array<Tried> = []

      const work = Effect.fnUntraced(function* (opened: Opened) {
        let { close, lane } = opened
        for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
          const exit = yield* Effect.exit(lane.crash(batch.plans, batch.ending))
          const outcome = Exit.isSuccess(exit)
            ? exit.value.map((crash) => ({ plan: crash.plan, crash, faults: faultsOf(crash) }))
            : batch.plans.map((plan) => ({ plan, crash: undefined, faults: [Cause.pretty(exit.cause)] }))
          tried.push(...outcome)
          onTried?.(outcome, waiting.length)
          if (Exit.isSuccess(exit)) continue
          // What is left there must not be taken for the next one's.
          yield* close
          ;({ close, lane } = yield* open)
        }
      })
      const others = Array.from({ length: lanes - 1 }, () => Effect.flatMap(open, work))
      yield* Effect.all([work(first), ...others], { concurrency: "unbounded" })
      return { recorded, tried, kills }
    })
  )

const batchesOf = (recorded: ReadonlyArray<Recorded>): Array<Batch> =>
  stages.flatMap((stage) => {
    const ofStage = recorded.filter((each) => each.stage === stage)
    const groups = Array.from({ length: Math.ceil(ofStage.length / toolsAtOnce) }, (_, at) =>
      ofStage.slice(at * toolsAtOnce, (at + 1) * toolsAtOnce)
    )
    return groups.flatMap((group) =>
      endings.flatMap((ending) =>
        moments.map((moment) => ({
          ending,
          plans: group.flatMap(({ points, row }) =>
            points
              .filter((point) => point.moment === moment)
              .map((point): Plan => ({ row, stage, point, ending }))
          )
        }))
      )
    )
  })

interface Opened {
  readonly lane: Lane
  readonly close: Effect.Effect<void>
}

const openLane = (
  place: Effect.Effect<Place, never, Scope.Scope>,
  onKill: () => void
): Effect.Effect<Opened, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const lane = yield* Effect.flatMap(place, (at) => makeLane(at, onKill)).pipe(Scope.provide(scope))
    return { lane, close: Scope.close(scope, Exit.void) }
  })

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "gateway-crash-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)
