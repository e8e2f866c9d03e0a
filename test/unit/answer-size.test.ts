import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { IssueId, ProjectId } from "../../src/domain/Ids.ts"
import type { Issue } from "../../src/domain/Issue.ts"
import { work } from "../../src/layers/texts/work.ts"
import { showIssue } from "../../src/tools/show.ts"
import { countFitting, fits, longestFitting } from "../../src/tools/size.ts"

const card = (description: string): Issue => ({
  id: IssueId.make(crypto.randomUUID()),
  identifier: "OPS-12",
  project_id: ProjectId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"),
  name: "Check the mail that is sent on sign-in",
  description,
  priority: "medium",
  state: { id: crypto.randomUUID(), name: "In Progress", group: "started" },
  labels: [{ id: crypto.randomUUID(), name: "backend" }],
  assignees: [{ id: crypto.randomUUID(), display_name: "Irina Petrova" }],
  start_date: null,
  target_date: "2026-12-01",
  parent_id: null,
  created_at: "2026-11-24T10:11:12.123456Z",
  updated_at: "2026-11-24T10:11:12.123456Z",
  url: "https://ops.nodedc.ru/nodedc/browse/OPS-12"
})

/** Counts on this thread what the gateway has counted in a worker. */
const counter = { tokens: (text: string) => Effect.promise(() => work.tokens(text)) }

/** What `showIssue` answers, named since a loop that feeds on its own answer can't infer it. */
type Part = { readonly issue: Issue; readonly next_offset?: number }

const summary = ({ description: _, ...rest }: Issue) => rest

const tokens = (value: unknown) => countTokens(JSON.stringify(value))

const texts: Readonly<Record<string, string>> = {
  "short text": "Fine.",
  "long English": "The quick brown fox jumps over the lazy dog.\n".repeat(2000),
  "long Russian": "Съешь же ещё этих мягких французских булок.\n".repeat(2000),
  "one long word": "a".repeat(150_000),
  "line breaks": "\n".repeat(100_000),
  quotes: '"\\'.repeat(50_000),
  emoji: "👩‍👩‍👧‍👦".repeat(10_000),
  "random letters": Array.from({ length: 60_000 }, (_, i) =>
    String.fromCharCode(97 + ((i * 7919) % 26))
  ).join("")
}

describe("the size of answers", () => {
  it.effect.each(Object.entries(texts))(
    "keeps a card with %s under 8,000 tokens, and says where it was cut",
    ([, text]) =>
      Effect.gen(function* () {
        const shown = yield* showIssue(counter, card(text), { replayed: false, warnings: [] })
        assert.isBelow(tokens(shown), 8000)
        const cut = shown.issue.description.length < text.length
        assert.strictEqual(shown.truncated ?? false, cut)
        if (cut) assert.strictEqual(shown.next_offset, shown.issue.description.length)
      })
  )

  it.effect("loses nothing between the parts of a long text", () =>
    Effect.gen(function* () {
      const text = texts["long Russian"] ?? ""
      let read = ""
      for (let offset: number | undefined = 0; offset !== undefined; ) {
        const part: Part = yield* showIssue(counter, card(text), {}, offset)
        read += part.issue.description
        offset = part.next_offset
      }
      assert.strictEqual(read, text)
    })
  )

  it.effect("never cuts a character in two (property)", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1, maxLength: 50 }), async (unit) => {
          const text = unit.repeat(Math.ceil(60_000 / unit.length))
          const part = await Effect.runPromise(longestFitting(counter, text, (shown) => ({ shown })))
          assert.isTrue(part.isWellFormed() || !text.isWellFormed())
          assert.isTrue(text.startsWith(part))
          assert.isTrue(await Effect.runPromise(fits(counter, { shown: part })))
        }),
        { numRuns: 25 }
      )
    )
  )

  it.effect("ends a page of cards early rather than pass 8,000 tokens", () =>
    Effect.gen(function* () {
      const cards = Array.from({ length: 100 }, () => summary(card("")))
      const count = yield* countFitting(counter, cards, (issues) => ({
        issues,
        next_cursor: "x",
        total_count: 100
      }))
      assert.isAbove(count, 15)
      assert.isBelow(tokens({ issues: cards.slice(0, count), next_cursor: "x", total_count: 100 }), 8000)
    })
  )

  it("gives twenty typical cards of a list in less than 6,000 tokens, 120 of each card's being ids", () => {
    const issues = Array.from({ length: 20 }, () => summary(card("")))
    assert.isBelow(tokens({ issues, next_cursor: null, total_count: 20 }), 6000)
  })
})
