import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Turn } from "../../src/domain/Timeline.ts"
import { administer } from "../support/served.ts"
import { codexOf, holding } from "./Codex.ts"
import { newcomer, place } from "./Place.ts"
import { oneCard } from "./scripts.ts"

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("The timeline of Codex's work", (it) => {
  it.effect("names the conversation, the turn, the model and the version as Codex does", () =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* codexOf(agent)
      const { how, said } = yield* codex.exec("Make a card.", oneCard(project.id), holding(agent))
      assert.strictEqual(how, 0, said)
      const { turns } = yield* administer(`/api/v1/agents/${agent.id}/timeline`)
      const turn = (turns as ReadonlyArray<Turn>)[0] ?? assert.fail("no turn")
      assert.deepStrictEqual(
        turn.entries.map(({ action, outcome }) => [action, outcome]),
        [["tasker_create_issue", "executed"]]
      )
      const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
      for (const id of [turn.session_id, turn.thread_id, turn.turn_id]) assert.match(id ?? "", uuid)
      // Codex prints these above the conversation.
      for (const told of [turn.session_id, turn.model, turn.codex_version])
        assert.include(said, told ?? "none")
      assert.strictEqual(turn.entries[0]?.issue?.identifier, `${project.identifier}-1`)
      assert.isNotNull(turn.entries[0]?.change)
    })
  )
})
