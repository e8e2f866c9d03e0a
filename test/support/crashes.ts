import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { inject } from "vitest"
import type { TaskerKind } from "../torture/crash/Counterpart.ts"
import { type Stage, stages } from "../torture/crash/Lane.ts"
import { type Matrix, runMatrix } from "../torture/crash/Matrix.ts"
import { faultLinesOf } from "../torture/crash/table.ts"
import { pointName } from "../torture/crash/Watch.ts"
import type { WriteRow } from "./writes.ts"

interface Options {
  readonly kind: TaskerKind
  /** Names the counterpart in the title. */
  readonly before: string
  readonly rows: ReadonlyArray<WriteRow>
  /** Exchanges that every call passes there, besides those that it passes everywhere. */
  readonly exchanges: Readonly<Record<Stage, ReadonlyArray<string>>>
}

const everywhere: Options["exchanges"] = {
  "the first call": ["call", "reserve", "send", "complete"],
  "settling a write that was not sent": ["call", "authenticate", "claim", "send", "complete"],
  "settling a write that was done": ["call", "authenticate", "claim", "complete"]
}

/** Defines the tests of the crash matrix before one counterpart. All deaths are died before the first of them. */
export const crashTests = ({ before, exchanges, kind, rows }: Options): void => {
  class Crashed extends Context.Service<Crashed, Matrix>()("test/CrashMatrix") {}
  const crashed = Layer.effect(
    Crashed,
    Effect.suspend(() => runMatrix(inject("postgresUrl"), { kind, lanes: 2, rows }))
  )

  layer(crashed, { timeout: "20 minutes", excludeTestServices: true })(
    `before ${before}, a gateway that is killed`,
    (it) => {
      for (const { tool } of rows) {
        for (const stage of stages) {
          it.effect(`at any await of ${tool}, in ${stage}, leaves one write, one event and one answer`, () =>
            Effect.gen(function* () {
              const matrix = yield* Crashed
              const recorded = matrix.recorded.filter(
                ({ row, stage: at }) => row.tool === tool && at === stage
              )
              const tried = matrix.tried.filter(({ plan }) => plan.row.tool === tool && plan.stage === stage)
              assert.deepStrictEqual(faultLinesOf(tried), [])
              // Every point, and each of them in both ways.
              assert.lengthOf(tried, 2 * recorded.reduce((sum, { points }) => sum + points.length, 0))
            })
          )
        }
      }

      it.effect("was stopped at every moment of each exchange that a write is known to pass", () =>
        Effect.gen(function* () {
          const { recorded } = yield* Crashed
          for (const { points, row, stage } of recorded) {
            const names = points.map(pointName)
            const lacking = [...everywhere[stage], ...exchanges[stage]]
              .flatMap((name) => [`${name}, asked`, `${name}, carried out`, `${name}, answered`])
              .filter((name) => !names.includes(name))
            assert.deepStrictEqual(lacking, [], `${row.tool}, ${stage}`)
            assert.strictEqual(names.length % 3, 0, `${row.tool}, ${stage}: ${names.join(" → ")}`)
          }
        })
      )
    }
  )
}
