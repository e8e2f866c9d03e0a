import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { outcome, refusal } from "../support/evidence.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

const hidden = {
  "a right-to-left override": "Pay \u202ereversed",
  "an isolate": "Pay \u2066isolated\u2069",
  "a zero-width space": "Pay\u200bments",
  "a zero-width joiner between letters": "Pay\u200dments",
  "a soft hyphen": "Pay\u00adments",
  "letters of the tags block": "Pay\u{e0041}\u{e0042}",
  "a variation selector after a letter": "Pay\ufe0f",
  "a byte order mark": "\ufeffPay",
  "a filler": "Pay \u3164 it",
  "two lines": "Pay\nnow"
}

const drawn = {
  "a family": "Ship 👨‍👩‍👧‍👦",
  "a skin tone and a profession": "Ask 👩🏽‍💻",
  "a red heart": "With ❤️",
  "a flag of two emoji": "🏳️‍🌈 week",
  "a keycap": "Step 1️⃣",
  "a joiner of Persian": "می‌خواهم"
}

const unseen = {
  "a zero-width space": "\u200b",
  "a link without words": "[](x:y)",
  "a soft hyphen as a reference": "&shy;",
  "nothing but an empty emphasis of invisible characters": "**\u200b\u2060**"
}

const writesAsked = Effect.flatMap(World, ({ tasker }) =>
  Effect.map(tasker.requests, (requests) => requests.filter(({ method }) => method !== "GET").length)
)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("what people see of a card", (it) => {
  it.effect.each(Object.entries(hidden))("is all that its name holds: %s is refused", ([, name]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      const before = yield* writesAsked
      for (const [tool, args] of [
        ["tasker_create_issue", { name }],
        ["tasker_update_issue", { issue_id, name }]
      ] as const) {
        const failure = yield* refusal(call(agent, tool, { ...args, idempotency_key: "hidden-name" }))
        assert.strictEqual(`${failure.kind}.${failure.reason}`, "input.invalid")
        assert.include(failure.message, "name")
      }
      assert.strictEqual(yield* writesAsked, before)
    })
  )

  it.effect.each(Object.entries(drawn))("may have %s in its name, which comes back as it was", ([, name]) =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const made = yield* call(agent, "tasker_create_issue", { name, idempotency_key: "drawn-name" })
      assert.strictEqual((made.structured as unknown as { issue: { name: string } }).issue.name, name)
      assert.deepStrictEqual(made.structured.warnings, [])
    })
  )

  it.effect.each(Object.entries(unseen))(
    "is something: a text that is %s is refused, Tasker not asked",
    ([, text]) =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const before = yield* writesAsked
        for (const [tool, args] of [
          ["tasker_add_comment", { issue_id, comment: text }],
          ["tasker_update_issue", { issue_id, description: text }],
          ["tasker_create_issue", { name: "A card", description: text }]
        ] as const) {
          const asked = { ...args, idempotency_key: "nothing-to-see" }
          assert.strictEqual(yield* outcome(call(agent, tool, asked)), "input.invalid")
        }
        assert.strictEqual(yield* writesAsked, before)
      })
  )

  it.effect("keeps its structure: a text beyond the bounds is refused, never flattened", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      const before = yield* writesAsked
      for (const text of [
        `${"> ".repeat(40)}deep`,
        "* ".repeat(40),
        "*a* ".repeat(5000),
        "- a\n\nb\n".repeat(4000)
      ]) {
        for (const [tool, args] of [
          ["tasker_create_issue", { name: "A card", description: text }],
          ["tasker_update_issue", { issue_id, description: text }],
          ["tasker_add_comment", { issue_id, comment: text }]
        ] as const) {
          const asked = { ...args, idempotency_key: "beyond-bounds" }
          assert.strictEqual(yield* outcome(call(agent, tool, asked)), "input.invalid")
        }
      }
      assert.strictEqual(yield* writesAsked, before)
    })
  )

  it.effect("may be an empty text, which takes the description away", () =>
    Effect.gen(function* () {
      const { actor } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      for (const [n, description] of ["Words", ""].entries()) {
        const asked = { issue_id, description, idempotency_key: `description-${n}` }
        const { structured } = yield* call(agent, "tasker_update_issue", asked)
        assert.strictEqual(
          (structured as unknown as { issue: { description: string } }).issue.description,
          description
        )
      }
    })
  )
})
