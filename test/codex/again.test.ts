import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Served } from "../support/served.ts"
import { codexOf, holding } from "./Codex.ts"
import { cutReply } from "./CutReply.ts"
import { newcomer, outcomesOf, place, writesOf } from "./Place.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("Codex that says it again", (it) => {
  it.effect("is given the one card there is, as often as it repeats the call", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* codexOf(agent)
      const answers: Array<{ readonly id: string; readonly replayed: boolean }> = []
      const { how, said } = yield* codex.exec(
        "Make a card, and make sure of it.",
        ({ use }) =>
          Effect.gen(function* () {
            for (let n = 0; n < 3; n++) {
              const { json } = yield* use("tasker_create_issue", {
                project_id: project.id,
                name: "Once",
                idempotency_key: "codex:once"
              })
              answers.push({ id: json.issue.id, replayed: json.replayed })
            }
            return "There is one card."
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.strictEqual(said.split("mcp: tasker/tasker_create_issue (completed)").length - 1, 3, said)
      const [first] = answers
      assert.deepStrictEqual(answers, [
        { id: first?.id, replayed: false },
        { id: first?.id, replayed: true },
        { id: first?.id, replayed: true }
      ])
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      assert.deepStrictEqual(yield* outcomesOf(agent.id, "tasker_create_issue"), [
        "executed",
        "replayed",
        "replayed"
      ])
    })
  )

  it.effect("after its reply was cut off is given the card that it made, not a second one", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const proxy = yield* cutReply((yield* Served).url)
      const codex = yield* codexOf(agent, proxy.url)
      const { how, said } = yield* codex.exec(
        "Make a card.",
        ({ use }) =>
          Effect.gen(function* () {
            const make = use("tasker_create_issue", {
              project_id: project.id,
              name: "Cut off",
              idempotency_key: "codex:cut-off"
            })
            yield* proxy.cutNext
            const cut = yield* make
            assert.include(cut.text, "tool call failed for `tasker/tasker_create_issue`")
            const { json } = yield* make
            assert.strictEqual(json.replayed, true)
            return `It is ${json.issue.identifier}.`
          }),
        holding(agent)
      )
      assert.strictEqual(how, 0, said)
      assert.strictEqual(proxy.cuts(), 1)
      assert.include(said, "mcp: tasker/tasker_create_issue (failed)")
      assert.include(said, `It is ${project.identifier}-1.`)
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      assert.deepStrictEqual(yield* outcomesOf(agent.id, "tasker_create_issue"), ["executed", "replayed"])
    })
  )
})
