import { assert, it } from "@effect/vitest"
import { crashTests } from "../support/crashes.ts"
import { unlisted, writeRows } from "../support/writes.ts"

it("every write tool has a row of arguments in the crash matrix", () => {
  assert.deepStrictEqual(unlisted, [])
})

crashTests({
  kind: "plane-like",
  before: "the reference Tasker",
  rows: writeRows,
  exchanges: {
    "the first call": [],
    "settling a write that was not sent": [],
    "settling a write that was done": []
  }
})
