import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "../../src/domain/Failure.ts"
import { outcome, refusal } from "../support/evidence.ts"
import { owner } from "../support/tasker.ts"
import { type Actor, call, World, layer as world } from "../support/world.ts"

const resolve = (agent: Actor, by: object) =>
  call(agent, "tasker_resolve_project", { project_id: undefined, ...by })

/** An agent, a project that it has no grant for, and one of which its owner is no member any more. */
const scene = Effect.gen(function* () {
  const { actor, tasker } = yield* World
  const agent = yield* actor()
  const ungranted = yield* tasker.project()
  const left = yield* tasker.project()
  yield* tasker.send("POST", "/members", { ...owner, project_id: left.project.id, active: false })
  return { agent, ungranted: ungranted.project, left: left.project }
})

layer(world, { timeout: "10 minutes", excludeTestServices: true })("tasker_resolve_project", (it) => {
  it.effect.each([
    ["project_id", "id", "0b0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"],
    ["identifier", "identifier", "NOTHERE"],
    ["name", "name", "No such project"]
  ] as const)(
    "answers by %s alike of a project not granted, of one its owner left and of one that is not there",
    ([by, field, absent]) =>
      Effect.gen(function* () {
        const { agent, left, ungranted } = yield* scene
        const expected = describe(yield* refusal(resolve(agent, { [by]: absent })))
        assert.strictEqual(`${expected.kind}.${expected.reason}`, "grant.no_grant")
        for (const project of [ungranted, left]) {
          const failure = yield* refusal(resolve(agent, { [by]: project[field] }))
          assert.deepStrictEqual(describe(failure), expected)
        }
      })
  )

  it.effect("answers the same where Tasker rejects what it is asked for", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent, ungranted } = yield* scene
      const expected = describe(yield* refusal(resolve(agent, { name: "No such project" })))
      yield* tasker.fault({ op: "resolve", fault: "refuse" })
      const failure = yield* refusal(resolve(agent, { name: ungranted.name }))
      assert.deepStrictEqual(describe(failure), expected)
    })
  )

  it.effect("says of the granted project that its owner has left it", () =>
    Effect.gen(function* () {
      const { tasker } = yield* World
      const { agent } = yield* scene
      const { id } = agent.project.project
      assert.strictEqual(yield* outcome(resolve(agent, { project_id: id })), "done")
      yield* tasker.send("POST", "/members", { ...owner, project_id: id, active: false })
      assert.strictEqual(yield* outcome(resolve(agent, { project_id: id })), "grant.owner_not_member")
    })
  )
})
