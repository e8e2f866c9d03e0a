import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { codeOf, describe } from "../../src/domain/Failure.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import { outcome, refusal } from "../support/evidence.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"

/** Well-formed, and nobody's. */
const nobodys = fromBytes(new Uint8Array(32).fill(11))

const both = Effect.gen(function* () {
  const { actor } = yield* World
  const known = yield* actor()
  return { known, unknown: { ...known, token: nobodys } satisfies Actor }
})

const beyondBounds = "> ".repeat(40)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a caller that nobody knows", (it) => {
  for (const [length, description] of [
    ["long", `${"Words and words. ".repeat(500)}\n\n${beyondBounds}deep`],
    ["short", `${beyondBounds}deep`]
  ] as const) {
    it.effect(`learns nothing of the faults of a ${length} text`, () =>
      Effect.gen(function* () {
        const { known, unknown } = yield* both
        const asked = { name: "A card", description, idempotency_key: "beyond-bounds" }
        const failure = yield* refusal(call(known, "tasker_create_issue", asked))
        assert.strictEqual(codeOf(failure), "input.invalid")
        assert.include(failure.message, "description")
        assert.strictEqual(yield* outcome(call(unknown, "tasker_create_issue", asked)), "auth.unknown")
      })
    )
  }

  it.effect("is told of no reference that does not exist, and Tasker is asked for none", () =>
    Effect.gen(function* () {
      const { unknown } = yield* both
      const { tasker } = yield* World
      const before = (yield* tasker.requests).length
      for (const [tool, args] of [
        ["tasker_create_issue", { name: "A card", labels: ["Nothing"] }],
        ["tasker_create_issue", { name: "A card", labels: ["Nothing"], dry_run: true }],
        ["tasker_list_issues", { label: "Nothing", idempotency_key: undefined }],
        ["tasker_resolve_project", { project_id: undefined, name: "Nothing", idempotency_key: undefined }]
      ] as const) {
        const asked = { idempotency_key: "nobodys-key", ...args }
        assert.strictEqual(yield* outcome(call(unknown, tool, asked)), "auth.unknown")
      }
      assert.lengthOf(yield* tasker.requests, before)
    })
  )

  it.effect("with 120,000 labels that are none is refused as unknown, a known one in few words", () =>
    Effect.gen(function* () {
      const { known, unknown } = yield* both
      const labels = Array.from({ length: 120_000 }, (_, n) => n)
      const asked = { name: "A card", labels, idempotency_key: "labels-that-are-none" }
      assert.strictEqual(yield* outcome(call(unknown, "tasker_create_issue", asked)), "auth.unknown")
      const failure = yield* refusal(call(known, "tasker_create_issue", asked))
      assert.strictEqual(codeOf(failure), "input.invalid")
      assert.isAtMost((failure.details.errors as ReadonlyArray<unknown>).length, 20)
      assert.isBelow(JSON.stringify(describe(failure)).length, 4000)
    })
  )

  it.effect("with 120,000 fields that are none is refused as unknown, a known one in few words", () =>
    Effect.gen(function* () {
      const { known, unknown } = yield* both
      const fields = Object.fromEntries(Array.from({ length: 120_000 }, (_, n) => [`field-${n}`, n]))
      const asked = { ...fields, name: "A card", idempotency_key: "fields-that-are-none" }
      assert.strictEqual(yield* outcome(call(unknown, "tasker_create_issue", asked)), "auth.unknown")
      const failure = yield* refusal(call(known, "tasker_create_issue", asked))
      assert.strictEqual(codeOf(failure), "input.invalid")
      assert.isBelow(JSON.stringify(describe(failure)).length, 4000)
    })
  )
})
