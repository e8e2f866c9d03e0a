import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { root } from "../support/data-dirs.ts"
import { launch } from "../support/programs.ts"

describe("a program that a test launches", () => {
  it.live("runs in an empty folder, where no developer's .env is read", () =>
    Effect.gen(function* () {
      const look = "console.log(JSON.stringify([process.cwd(), fs.readdirSync('.')]))"
      const program = yield* launch([process.execPath, "-e", look])
      assert.strictEqual(yield* program.ended, 0, program.said())
      const [cwd, entries] = JSON.parse(program.said())
      assert.notStrictEqual(cwd, root)
      assert.deepStrictEqual(entries, [])
    })
  )
})
