import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { changeOf, keptBefore, longestKept } from "../../src/calls/keptChange.ts"
import { changeHash } from "../../src/domain/Change.ts"
import { IssueId, ProjectId } from "../../src/domain/Ids.ts"
import type { Issue } from "../../src/domain/Issue.ts"
import { fromBytes } from "../../src/domain/Token.ts"
import type { UpdateIssue } from "../../src/domain/Write.ts"

const project_id = ProjectId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b")
const issue_id = IssueId.make("0d1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c11")

const issue: Issue = {
  id: issue_id,
  identifier: "OPS-1",
  project_id,
  name: "A card",
  description: "Text",
  priority: "high",
  state: { id: "s", name: "Todo", group: "unstarted" },
  labels: [],
  assignees: [],
  start_date: null,
  target_date: null,
  parent_id: null,
  created_at: "2027-01-01T00:00:00Z",
  updated_at: "2027-01-01T00:00:00Z",
  url: "https://tasker.example/OPS-1"
}

const update = (fields: UpdateIssue["fields"]): UpdateIssue => ({
  _tag: "UpdateIssue",
  project_id,
  issue_id,
  seen_updated_at: "2027-01-01T00:00:00Z",
  fields
})

describe("a change as it is kept", () => {
  it("holds the fields that the write is about and no others", () => {
    const change = changeOf(
      update({ priority: "high", description_html: "<p>Text</p>" }),
      { priority: "low" },
      {
        issue,
        warnings: []
      }
    )
    assert.deepStrictEqual(change, {
      before: { priority: "low" },
      after: { priority: "high", description: "Text" }
    })
  })

  it("is not known of a card that can't be shown, nor where nobody kept how it stood", () => {
    assert.isUndefined(changeOf(update({ priority: "high" }), { priority: "low" }, { warnings: [] }))
    assert.isUndefined(changeOf(update({ priority: "high" }), null, { issue, warnings: [] }))
  })

  it("holds no token and nothing hidden that somebody put into the card", () => {
    const token = Redacted.value(fromBytes(new Uint8Array(32).fill(9)))
    const before = keptBefore({
      before: {
        name: `Use ${token}`,
        labels: [{ id: "l", name: "turned\u202earound" }],
        state: { id: "s", name: "To\u200bdo" },
        target_date: null
      },
      after: {}
    })
    assert.deepStrictEqual(before, {
      name: "Use [secret]",
      labels: [{ id: "l", name: "turnedaround" }],
      state: { id: "s", name: "Todo" },
      target_date: null
    })
  })

  it("says where a text was too long to be kept whole", () => {
    const description = "x".repeat(longestKept + 1)
    const before = keptBefore({ before: { description, name: "A card" }, after: {} })
    assert.deepStrictEqual(before, { description: "x".repeat(longestKept), name: "A card", truncated: true })
    const whole = { description: "x".repeat(longestKept) }
    assert.deepStrictEqual(keptBefore({ before: whole, after: {} }), whole)
  })

  it("has one hash, in whatever order its fields come", () => {
    const one = { before: { a: 1, b: null }, after: { c: { d: "x", e: [1] } } }
    const other = { after: { c: { e: [1], d: "x" } }, before: { b: null, a: 1 } }
    assert.match(changeHash(one), /^[0-9a-f]{64}$/)
    assert.strictEqual(changeHash(one), changeHash(other))
    assert.notStrictEqual(changeHash(one), changeHash({ ...one, before: null }))
  })
})
