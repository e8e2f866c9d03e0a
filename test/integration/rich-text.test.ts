import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "../../src/domain/Failure.ts"
import { refusal } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { call, World, layer as world } from "../support/world.ts"
import { card } from "../support/writes.ts"

interface Shown {
  readonly issue: { readonly description: string }
  readonly comments: ReadonlyArray<{ readonly comment: string }>
  readonly warnings: ReadonlyArray<unknown>
  readonly change: { readonly before: { readonly description: string } }
}

const mention = (id: string) =>
  `<p>ask <mention-component entity_identifier="${id}" entity_name="user_mention"></mention-component></p>`
const stranger = "00000000-0000-4000-8000-000000000001"
const callout =
  '<div data-block-type="callout-component"><p>mind this</p></div>' +
  "<table><tbody><tr><td><p>a</p><p>b</p></td></tr></tbody></table>"

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a text with more than Markdown", (it) => {
  it.effect(
    "shows a mentioned member's name in a card, its comments and a dry run, and a stranger's id",
    () =>
      Effect.gen(function* () {
        const { actor, tasker } = yield* World
        const agent = yield* actor()
        const issue_id = yield* card(agent)
        const html = mention(owner.id) + mention(stranger)
        yield* tasker.send("PATCH", `/issues/${issue_id}`, { description_html: html })
        yield* tasker.send("POST", `/issues/${issue_id}/comments`, {
          author_id: owner.id,
          comment_html: html
        })
        const show = (tool: string, args: object) =>
          Effect.map(
            call(agent, tool, { issue_id, ...args }),
            ({ structured }) => structured as unknown as Shown
          )
        const expected = `ask @${owner.display_name}\n\nask @${stranger}`
        assert.strictEqual((yield* show("tasker_get_issue", {})).issue.description, expected)
        assert.strictEqual((yield* show("tasker_list_comments", {})).comments[0]?.comment, expected)
        const planned = yield* show("tasker_update_issue", {
          description: "new",
          allow_content_loss: true,
          idempotency_key: "named-mention",
          dry_run: true
        })
        assert.strictEqual(planned.change.before.description, expected)
      })
  )

  it.effect("is not overwritten: a callout and a cell of two paragraphs are named", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const issue_id = yield* card(agent)
      yield* tasker.send("PATCH", `/issues/${issue_id}`, { description_html: callout })
      const refused = yield* refusal(
        call(agent, "tasker_update_issue", { issue_id, description: "new", idempotency_key: "flattened" })
      )
      assert.deepStrictEqual(describe(refused).content, ["callout", "multi-line table cell"])
    })
  )

  it.effect(
    "a card without a text, and one whose text is taken away, read as empty and warn of nothing",
    () =>
      Effect.gen(function* () {
        const { actor } = yield* World
        const agent = yield* actor()
        const make = { name: "Bare", idempotency_key: "bare-card" }
        const made = (yield* call(agent, "tasker_create_issue", make)).structured as unknown as Shown & {
          readonly issue: { readonly id: string }
        }
        assert.deepStrictEqual([made.issue.description, made.warnings], ["", []])
        const emptied = (yield* call(agent, "tasker_update_issue", {
          issue_id: made.issue.id,
          description: "",
          idempotency_key: "emptied-card"
        })).structured as unknown as Shown
        assert.deepStrictEqual([emptied.issue.description, emptied.warnings], ["", []])
      })
  )
})
