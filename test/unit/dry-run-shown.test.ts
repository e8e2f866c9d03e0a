import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { fromBytes } from "../../src/domain/Token.ts"
import { showChange } from "../../src/tools/show.ts"
import { grantOf } from "../support/principals.ts"

/** A short answer fits whatever it holds. */
const counter = { tokens: () => Effect.die("Nothing is counted here") }

describe("the change that a dry run shows", () => {
  it.effect("holds no token and nothing hidden that somebody put into a name", () =>
    Effect.gen(function* () {
      const token = Redacted.value(fromBytes(new Uint8Array(32).fill(11)))
      const shown = yield* showChange(
        counter,
        {
          before: { name: `Use ${token}`, labels: [{ id: "l", name: "turned\u202earound" }] },
          after: { name: "A name", labels: [{ id: "m", name: "zero\u200bwidth" }] }
        },
        grantOf({ scopes: ["issue:read"] })
      )
      assert.deepStrictEqual(shown.change, {
        before: { name: "Use [secret]", labels: [{ id: "l", name: "turnedaround" }] },
        after: { name: "A name", labels: [{ id: "m", name: "zerowidth" }] }
      })
    })
  )
})
