import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { inject } from "vitest"
import { unlisted, writeRows } from "../support/writes.ts"
import { stages } from "../torture/crash/Lane.ts"
import { type Matrix, runMatrix } from "../torture/crash/Matrix.ts"
import { faultLinesOf } from "../torture/crash/table.ts"
import { pointName } from "../torture/crash/Watch.ts"

/** Everything that is killed is killed once, before the tests look at what came of it. */
class Crashed extends Context.Service<Crashed, Matrix>()("test/CrashMatrix") {}

const crashed = Layer.effect(
  Crashed,
  Effect.suspend(() => runMatrix(inject("postgresUrl"), { kind: "plane-like", lanes: 2, rows: writeRows }))
)

layer(crashed, { timeout: "20 minutes", excludeTestServices: true })("a gateway that is killed", (it) => {
  it("has a row of arguments for every write tool", () => {
    assert.deepStrictEqual(unlisted, [])
  })

  for (const { tool } of writeRows) {
    for (const stage of stages) {
      it.effect(`at any await of ${tool}, in ${stage}, leaves one write, one event and one answer`, () =>
        Effect.gen(function* () {
          const matrix = yield* Crashed
          const mine = ({
            row,
            stage: at
          }: {
            readonly row: { readonly tool: string }
            readonly stage: string
          }) => row.tool === tool && at === stage
          const recorded = matrix.recorded.filter(mine)
          const tried = matrix.tried.filter(({ plan }) => mine(plan))
          assert.deepStrictEqual(faultLinesOf(tried), [])
          // Every point, and each of them in both ways.
          assert.lengthOf(tried, 2 * recorded.reduce((sum, { points }) => sum + points.length, 0))
        })
      )
    }
  }

  it.effect("was stopped at every moment of what a write is known to pass", () =>
    Effect.gen(function* () {
      const { recorded } = yield* Crashed
      const always = {
        "the first call": ["call", "reserve", "send", "complete"],
        "settling a write that was not sent": ["call", "authenticate", "claim", "send", "complete"],
        "settling a write that was done": ["call", "authenticate", "claim", "complete"]
      }
      for (const { points, row, stage } of recorded) {
        const names = points.map(pointName)
        const lacking = always[stage]
          .flatMap((name) => [`${name}, asked`, `${name}, carried out`, `${name}, answered`])
          .filter((name) => !names.includes(name))
        assert.deepStrictEqual(lacking, [], `${row.tool}, ${stage}`)
        assert.strictEqual(names.length % 3, 0, `${row.tool}, ${stage}: ${names.join(" → ")}`)
      }
    })
  )
})
