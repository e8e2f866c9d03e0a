import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { compareInstants } from "../../src/domain/Instant.ts"
import { failedFilters, passesFilters } from "../../src/domain/IssueFilters.ts"
import { cpuMillis } from "../support/cpu.ts"
import { issue } from "../support/tasker-api.ts"

const searched = (search: string, card: Partial<typeof issue>) =>
  passesFilters({ ...issue, ...card }, { search })

describe("A filter of a list of cards", () => {
  it("names each filter that a card fails, and no other", () => {
    const passed = {
      state_id: "state-1",
      label_id: "label-1",
      assignee_id: "owner-1",
      priority: "high",
      search: "заголовок",
      updated_after: "2026-01-02T00:00:00.123455Z"
    } as const
    assert.deepStrictEqual(failedFilters(issue, passed), [])
    const failed = {
      state_id: "state-2",
      label_id: "label-2",
      assignee_id: "owner-2",
      priority: "low",
      search: "nothing of it",
      updated_after: "2026-01-02T00:00:00.123456Z"
    } as const
    assert.sameMembers([...failedFilters(issue, failed)], Object.keys(failed))
    for (const [name, value] of Object.entries(failed)) {
      assert.deepStrictEqual(failedFilters(issue, { ...passed, [name]: value }), [name as never])
    }
  })

  it("search finds a name or an identifier in any case and Unicode form, and text between tags", () => {
    assert.isTrue(searched("ﬁle ÉTÉ", { name: "File e\u0301te\u0301" }))
    assert.isTrue(searched("ops-1", {}))
    assert.isTrue(searched("R&D plan", { description_html: "<p>Our <b>R&amp;D</b> plan</p>" }))
    assert.isFalse(searched("strong", { description_html: "<strong>bold</strong>" }))
    assert.isFalse(searched("anything", { description_html: null }))
  })

  it("search takes time linear to the text, whatever the text is", () => {
    for (const text of ["<".repeat(500_000), "<a ".repeat(200_000), "&amp;".repeat(100_000)]) {
      assert.isBelow(
        cpuMillis(() => searched("needle", { description_html: text })),
        500
      )
    }
  })

  it("compares instants with all their digits", () => {
    const microseconds = fc.integer({ min: 0, max: 5_000_000 })
    const written = (at: number) =>
      `2026-01-01T00:00:0${Math.floor(at / 1_000_000)}.${String(at % 1_000_000).padStart(6, "0")}Z`
    fc.assert(
      fc.property(microseconds, microseconds, (one, other) => {
        assert.strictEqual(Math.sign(compareInstants(written(one), written(other))), Math.sign(one - other))
      })
    )
    assert.strictEqual(compareInstants("2026-01-01T03:00:00+03:00", "2026-01-01T00:00:00.000Z"), 0)
    assert.strictEqual(compareInstants("never", "2026-01-01T00:00:00Z"), 0)
  })
})
