import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { freshCodex, ready } from "./Codex.ts"
import { newcomer, pairing, place, writesOf } from "./Place.ts"
import { oneCard } from "./scripts.ts"

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`

layer(place(), { timeout: "60 seconds", excludeTestServices: true })("A stopwatch", (it) => {
  it.effect("from the press of the button to the first card, by the one line", (context) =>
    Effect.gen(function* () {
      const { agent, project } = yield* newcomer
      const codex = yield* freshCodex
      const pressed = performance.now()
      const { connect } = yield* pairing(agent.id)
      const shown = performance.now()
      const connected = yield* codex.run(["sh", "-c", connect.shell])
      assert.strictEqual(connected.how, 0, connected.said)
      const connectedAt = performance.now()
      let made = connectedAt
      const { how, said } = yield* codex.exec(
        "Make a card.",
        (hands) =>
          Effect.tap(oneCard(project.id)(hands), () =>
            Effect.sync(() => {
              made = performance.now()
            })
          ),
        ready
      )
      assert.strictEqual(how, 0, said)
      assert.strictEqual((yield* writesOf(agent.id)).length, 1)
      yield* Effect.promise(() =>
        context.annotate(
          `${seconds(made - pressed)}: the code ${seconds(shown - pressed)}, the line ${seconds(connectedAt - shown)}, Codex up to its card ${seconds(made - connectedAt)}`
        )
      )
    })
  )
})
