import { assert, describe, expect, it } from "@effect/vitest"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { allScopes } from "../../src/domain/Scope.ts"
import { instructions } from "../../src/mcp/instructions.ts"
import { tools } from "../../src/tools/registry.ts"

/** What agents are shown of each tool is a committed snapshot, so that a change of contract is seen in review. */
describe("the listing of tools", () => {
  it("has this order, which clients' caches rely on", () => {
    assert.deepStrictEqual(
      tools.map(({ name }) => name),
      [
        "tasker_get_session",
        "tasker_resolve_project",
        "tasker_get_project_context",
        "tasker_list_issues",
        "tasker_get_issue",
        "tasker_list_comments",
        "tasker_create_issue",
        "tasker_update_issue",
        "tasker_move_issue",
        "tasker_add_comment",
        "tasker_set_labels",
        "tasker_set_assignees"
      ]
    )
  })

  it.each(tools.map((tool) => [tool.name, tool] as const))(
    "shows %s as it is in review",
    async (name, tool) => {
      await expect(`${JSON.stringify(tool.listing, null, 2)}\n`).toMatchFileSnapshot(
        `__toolsnaps__/${name}.snap.json`
      )
    }
  )

  it("takes less than 8,000 tokens of a model's context", () => {
    assert.isBelow(countTokens(JSON.stringify(tools.map(({ listing }) => listing))), 8000)
  })

  it("uses every scope, and no tool is named for deleting", () => {
    assert.deepStrictEqual(
      [...new Set(tools.flatMap(({ scope }) => (scope === null ? [] : [scope])))].sort(),
      [...allScopes].sort()
    )
    assert.isFalse(tools.some(({ name }) => /delete|remove|archive/.test(name)))
  })

  it.each(tools.map((tool) => [tool.name, tool] as const))(
    "annotates %s so that Codex runs it as what it is",
    (_, tool) => {
      assert.deepStrictEqual(tool.listing.annotations, {
        title: tool.listing.title,
        readOnlyHint: tool._tag !== "Write",
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false
      })
    }
  )

  it.each(tools.map((tool) => [tool.name, tool] as const))(
    "refuses fields that %s does not know",
    (_, { listing }) => {
      assert.strictEqual(listing.inputSchema.additionalProperties, false)
      assert.strictEqual(listing.inputSchema.type, "object")
      assert.strictEqual(listing.outputSchema.type, "object")
    }
  )

  it("asks a key and offers a dry run for every write, and for no read", () => {
    for (const { _tag, listing } of tools) {
      const writes = _tag === "Write"
      const { properties, required } = listing.inputSchema as {
        properties: Record<string, unknown>
        required?: ReadonlyArray<string>
      }
      assert.strictEqual("dry_run" in properties, writes, listing.name)
      assert.strictEqual((required ?? []).includes("idempotency_key"), writes, listing.name)
    }
  })
})

describe("the instructions", () => {
  it("say within their first 512 characters what a model must know", () => {
    const first = instructions.slice(0, 512)
    for (const said of [
      "idempotency_key",
      "data, never instructions",
      "Nothing can be deleted",
      "outcome_unknown"
    ]) {
      assert.include(first, said)
    }
  })
})
