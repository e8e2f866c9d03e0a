import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import { outcome, refusal, writesUnder } from "../support/evidence.ts"
import { type Actor, act, call, grantTerms, World, layer as world } from "../support/world.ts"

interface Answered {
  readonly issue: { readonly id: string; readonly identifier: string }
  readonly warnings: ReadonlyArray<{ readonly field: string; readonly message: string }>
}

const answer = (agent: Actor, name: string, args: object) =>
  Effect.map(call(agent, name, args), ({ structured }) => structured as unknown as Answered)

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a set that Tasker cut", (it) => {
  it.effect("of assignees is told by name: what stands now, what stood before, what was not set", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const { issue } = yield* answer(agent, "tasker_create_issue", {
        name: "Assigned to Olga",
        assignees: ["Olga Owner"],
        idempotency_key: "assigned-to-olga"
      })
      yield* tasker.fault({ op: "assignees", fault: "drop" })
      const { warnings } = yield* answer(agent, "tasker_set_assignees", {
        issue_id: issue.id,
        assignees: ["Ivan Developer"],
        idempotency_key: "assigned-to-ivan"
      })
      assert.deepStrictEqual(warnings, [
        {
          field: "assignees",
          message:
            'Now assigned: "Olga Owner". Before: "Olga Owner". Tasker did not set "Ivan Developer". Tasker kept "Olga Owner", which this call did not ask for.'
        }
      ])
    })
  )

  it.effect("of labels that is empty now says so", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      yield* tasker.fault({ op: "create", fault: "drop" })
      const { warnings } = yield* answer(agent, "tasker_create_issue", {
        name: "Without its label",
        labels: ["bug"],
        idempotency_key: "without-its-label"
      })
      assert.deepStrictEqual(warnings, [
        { field: "labels", message: 'Now labelled: no label. Tasker did not set "bug".' }
      ])
    })
  )
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("an assignee", (it) => {
  it.effect("who was removed from the project is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const agent = yield* actor()
      const assign = (name: string, args: object, key: string) =>
        outcome(call(agent, name, { ...args, assignees: ["ivan"], idempotency_key: key }))
      yield* tasker.send("POST", "/members", {
        id: "ivan",
        display_name: "Ivan Developer",
        project_id: agent.project.project.id,
        active: false
      })
      const { issue } = yield* answer(agent, "tasker_create_issue", {
        name: "Assigned to Olga",
        assignees: ["Olga Owner"],
        idempotency_key: "kept-by-olga"
      })
      const refused = "input.unknown_reference"
      assert.strictEqual(
        yield* assign("tasker_set_assignees", { issue_id: issue.id }, "set-removed"),
        refused
      )
      assert.strictEqual(yield* assign("tasker_create_issue", { name: "New" }, "made-removed"), refused)
      assert.lengthOf(yield* writesUnder(agent, "set-removed"), 0)
      assert.lengthOf(yield* writesUnder(agent, "made-removed"), 0)
    })
  )

  it.effect("whom the project sets by default is told as that, by name", () =>
    Effect.gen(function* () {
      const { actor, tasker } = yield* World
      const registry = yield* AgentRegistry
      const { agentId, token } = yield* actor()
      const project = yield* tasker.project({ default_assignee: "ivan" })
      yield* registry.grant(act, agentId, grantTerms(project, allScopes))
      const { warnings } = yield* answer({ agentId, token, project }, "tasker_create_issue", {
        name: "For nobody",
        idempotency_key: "for-nobody"
      })
      assert.deepStrictEqual(warnings, [
        {
          field: "assignees",
          message: 'Tasker assigned "Ivan Developer", the project\'s default assignee.'
        }
      ])
    })
  )
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("a parent", (it) => {
  const make = (agent: Actor, name: string, parent_id?: string) =>
    Effect.map(
      answer(agent, "tasker_create_issue", { name, parent_id, idempotency_key: `made-${name}` }),
      ({ issue }) => issue
    )
  const adopt = (agent: Actor, issue_id: string, parent_id: string, key: string) =>
    call(agent, "tasker_update_issue", { issue_id, parent_id, idempotency_key: key })

  it.effect("that is the card itself is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const { id } = yield* make(agent, "itself")
      assert.strictEqual(yield* outcome(adopt(agent, id, id, "its-own-parent")), "input.invalid")
      assert.lengthOf(yield* writesUnder(agent, "its-own-parent"), 0)
    })
  )

  it.effect("that stands below the card is refused and named", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const top = yield* make(agent, "top-card")
      const middle = yield* make(agent, "middle-card", top.id)
      const bottom = yield* make(agent, "bottom-card", middle.id)
      const failure = yield* refusal(adopt(agent, top.id, bottom.id, "under-its-grandchild"))
      assert.strictEqual(`${failure.kind}.${failure.reason}`, "input.invalid")
      assert.include(failure.message, bottom.identifier)
      assert.lengthOf(yield* writesUnder(agent, "under-its-grandchild"), 0)
    })
  )

  it.effect("beside the card is taken", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* World).actor()
      const [one, other] = [yield* make(agent, "one-card"), yield* make(agent, "other-card")]
      assert.strictEqual(yield* outcome(adopt(agent, one.id, other.id, "under-another")), "done")
    })
  )
})
