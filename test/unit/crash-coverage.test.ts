import { assert, describe, it } from "@effect/vitest"
import { writeRows } from "../support/writes.ts"
import { gapsOf } from "../torture/crash/coverage.ts"
import { endings, type Plan } from "../torture/crash/Lane.ts"
import type { Matrix } from "../torture/crash/Matrix.ts"
import { moments, type Point } from "../torture/crash/Watch.ts"

const row = writeRows[0] ?? assert.fail("there are no write tools")
const stage = "the first call"
const between = "gateway and database"

const pointsOf = (...names: ReadonlyArray<string>): ReadonlyArray<Point> =>
  names.flatMap((name) => moments.map((moment): Point => ({ exchange: { between, name }, moment })))

/** A matrix of one tool in one stage, with each of its points killed in both ways. */
const matrixOf = (points: ReadonlyArray<Point>): Matrix => ({
  recorded: [{ row, stage, points }],
  tried: points.flatMap((point) =>
    endings.map((ending) => ({
      plan: { row, stage, point, ending } satisfies Plan,
      crash: undefined,
      faults: []
    }))
  ),
  kills: 0
})

const whole = matrixOf(pointsOf("call", "reserve", "send", "complete"))

describe("the coverage of the crash matrix", () => {
  it("is complete if every exchange of a write was killed at each moment in both ways", () => {
    assert.deepStrictEqual(gapsOf(whole, "plane-like"), [])
  })

  it("lacks an exchange that every write passes", () => {
    assert.deepStrictEqual(gapsOf(matrixOf(pointsOf("call", "reserve", "complete")), "plane-like"), [
      `${row.tool}, ${stage}: no call was killed at "send, asked"`,
      `${row.tool}, ${stage}: no call was killed at "send, carried out"`,
      `${row.tool}, ${stage}: no call was killed at "send, answered"`
    ])
  })

  it("lacks a moment of an exchange that not every write passes", () => {
    const points = [...pointsOf("call", "reserve", "send", "complete"), ...pointsOf("plan").slice(1)]
    assert.deepStrictEqual(gapsOf(matrixOf(points), "plane-like"), [
      `${row.tool}, ${stage}: an exchange lacks a moment`
    ])
  })

  it("lacks a call that was not killed", () => {
    assert.deepStrictEqual(gapsOf({ ...whole, tried: whole.tried.slice(1) }, "plane-like"), [
      `${row.tool}, ${stage}: 23 calls were killed, not 24`
    ])
  })

  it("lacks the reads before Plane that find a create again by its external id", () => {
    assert.include(
      gapsOf(whole, "plane"),
      `${row.tool}, ${stage}: no call was killed at "plan: read projects, asked"`
    )
  })
})
