import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { tools } from "../../src/tools/registry.ts"
import { newAgent, ReferenceTasker, served } from "../support/served.ts"
import { call, doors } from "../support/tool-calls.ts"
import { argsOf, argumentsOf, makeScene, marks, type Scene, termsOf, writes } from "../support/tool-rows.ts"

/**
 * A scope gives what it names and no more. The scene's cards and projects hold words that stand nowhere
 * else, so whatever an answer shows of them is found in its text, wherever in it.
 */

class Stage extends Context.Service<Stage, { readonly scene: Scene; readonly seen: string }>()(
  "test/Stage"
) {}

const stage = Layer.effect(
  Stage,
  Effect.gen(function* () {
    const scene = yield* makeScene
    const tasker = yield* ReferenceTasker
    const { issue } = (yield* tasker.send("GET", `/issues/${scene.issueId}`)) as {
      issue: { updated_at: string }
    }
    return Stage.of({ scene, seen: issue.updated_at })
  })
).pipe(Layer.provideMerge(served()))

const writers = tools.filter(writes)
const rowsOf = (of: ReadonlyArray<(typeof tools)[number]>) =>
  doors.flatMap((via) => of.map((tool) => ({ tool, name: tool.name, via })))

/** What a call may set of a card, by the names that answers have. */
const cardFields = [
  "name",
  "description",
  "priority",
  "state",
  "labels",
  "assignees",
  "start_date",
  "target_date",
  "parent_id"
]

const may = (scene: Scene, ...scopes: ReadonlyArray<string | null>) =>
  newAgent([
    termsOf(
      scene,
      scopes.filter((scope) => scope !== null)
    )
  ])

/** The references by name that a tool takes, each with one that nothing has. */
const unknownReferences = (named: ReadonlySet<string>): ReadonlyArray<readonly [string, unknown]> =>
  (
    [
      ["state", "Nowhere"],
      ["label", "Nothing"],
      ["assignee", "Nobody"],
      ["labels", ["Nothing"]],
      ["assignees", ["Nobody"]]
    ] as const
  ).filter(([field]) => named.has(field))

const showsNothingOf = (text: string, ...words: ReadonlyArray<keyof typeof marks>) => {
  for (const word of words) assert.notInclude(text, marks[word])
}

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("an answer", (it) => {
  it.effect.each(rowsOf(writers))(
    "of $name shows a writer without issue:read no more of the card than it wrote, over $via",
    ({ tool, via }) =>
      Effect.gen(function* () {
        const { scene } = yield* Stage
        const { token } = yield* may(scene, tool.scope)
        const args = argsOf(tool, scene)
        for (const replayed of [false, true]) {
          const { content, reply } = yield* call(via, token, tool.name, args)
          assert.strictEqual(content.replayed, replayed)
          showsNothingOf(reply.text, "cardName", "cardText", "project")
          if (content.issue === undefined) continue
          const wrote = Object.keys(args).filter((field) => cardFields.includes(field))
          assert.sameMembers(Object.keys(content.issue), ["id", "identifier", "updated_at", "url", ...wrote])
        }
      })
  )

  it.effect.each(rowsOf(writers))(
    "to a dry run of $name shows no before without issue:read, over $via",
    ({ tool, via }) =>
      Effect.gen(function* () {
        const { scene } = yield* Stage
        const args = { ...argsOf(tool, scene), dry_run: true }
        const blind = yield* may(scene, tool.scope)
        const { content, reply } = yield* call(via, blind.token, tool.name, args)
        assert.hasAllKeys(content, ["dry_run", "change"])
        assert.hasAllKeys(content.change, ["after"])
        showsNothingOf(reply.text, "cardName", "cardText", "project")
        const seeing = yield* may(scene, tool.scope, "issue:read")
        const shown = yield* call(via, seeing.token, tool.name, args)
        assert.hasAllKeys(shown.content.change, ["before", "after"])
      })
  )

  it.effect.each(rowsOf(writers.filter((tool) => argumentsOf(tool).has("expected_updated_at"))))(
    "that is a conflict of $name holds the card as it is now for readers alone, over $via",
    ({ tool, via }) =>
      Effect.gen(function* () {
        const { scene } = yield* Stage
        const args = { ...argsOf(tool, scene), expected_updated_at: "2020-01-01T00:00:00.000001Z" }
        const blind = yield* may(scene, tool.scope)
        const refused = yield* call(via, blind.token, tool.name, args)
        assert.strictEqual(refused.code, "tasker.conflict")
        assert.notProperty(refused.error, "issue")
        showsNothingOf(refused.reply.text, "cardName", "cardText", "label", "member", "project")
        const seeing = yield* may(scene, tool.scope, "issue:read")
        const shown = yield* call(via, seeing.token, tool.name, args)
        assert.strictEqual(shown.code, "tasker.conflict")
        assert.strictEqual(shown.error.issue.name, marks.cardName)
      })
  )

  it.effect.each(
    rowsOf(tools).flatMap((row) =>
      unknownReferences(argumentsOf(row.tool)).map(([field, value]) => ({ ...row, field, value }))
    )
  )("that refuses $field of $name lists the choices to who may read the project alone, over $via", (row) =>
    Effect.gen(function* () {
      const { scene } = yield* Stage
      const { tool, via, field, value } = row
      const args = { ...argsOf(tool, scene), [field]: value }
      const blind = yield* may(scene, tool.scope)
      const refused = yield* call(via, blind.token, tool.name, args)
      assert.strictEqual(refused.code, "input.unknown_reference")
      assert.notProperty(refused.error, "choices")
      showsNothingOf(refused.reply.text, "state", "label", "member", "project")
      const seeing = yield* may(scene, tool.scope, "project:read")
      const shown = yield* call(via, seeing.token, tool.name, args)
      assert.strictEqual(shown.code, "input.unknown_reference")
      assert.isNotEmpty(shown.error.choices)
    })
  )

  it.effect.each(rowsOf(tools.filter(({ scope }) => scope === "issue:read")))(
    "of $name that needs no names of the project shows cards without project:read all the same, over $via",
    ({ tool, via }) =>
      Effect.gen(function* () {
        const { scene } = yield* Stage
        const { token } = yield* may(scene, "issue:read")
        const { error } = yield* call(via, token, tool.name, argsOf(tool, scene))
        assert.isUndefined(error)
      })
  )

  it.effect("to whoever has another scope alone is a refusal that shows no card and no project", () =>
    Effect.gen(function* () {
      const { scene } = yield* Stage
      for (const via of doors) {
        for (const tool of tools) {
          for (const scope of allScopes.filter((other) => other !== tool.scope)) {
            const { token } = yield* may(scene, scope)
            const { reply } = yield* call(via, token, tool.name, argsOf(tool, scene))
            showsNothingOf(reply.text, ...(Object.keys(marks) as ReadonlyArray<keyof typeof marks>))
          }
        }
      }
    })
  )

  it.effect("to a key that another call has used shows nothing of what that call came to", () =>
    Effect.gen(function* () {
      const { scene, seen } = yield* Stage
      const { token } = yield* newAgent([termsOf(scene, allScopes)])
      const idempotency_key = `shown-${randomUUID()}`
      const create = { project_id: scene.projectId, name: marks.cardName, idempotency_key }
      yield* call("rest", token, "tasker_create_issue", create)
      const args = {
        project_id: scene.projectId,
        issue_id: scene.issueId,
        comment: "Another",
        idempotency_key
      }
      const { code, reply } = yield* call("mcp", token, "tasker_add_comment", args)
      assert.strictEqual(code, "idempotency.key_reused")
      showsNothingOf(reply.text, "cardName")
      assert.notInclude(reply.text, seen)
    })
  )
})
