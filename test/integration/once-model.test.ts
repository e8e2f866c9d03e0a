import { layer } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import type { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { Tools } from "../../src/tools/Tools.ts"
import { hold, type Manner, steps } from "../support/once-model.ts"
import { impatient, type World } from "../support/world.ts"

const runs = 40
/** What the runs and, after a failure, the search for a smaller counterexample may take together. */
const longestMillis = 25_000

const manners: ReadonlyArray<Manner & { readonly words: string }> = [
  { words: "that knows keys and external ids", switches: {} },
  { words: "that does not know the key", switches: { dedupe_key: false } }
]

for (const manner of manners) {
  layer(impatient, { timeout: "60 seconds", excludeTestServices: true })(
    `with a Tasker ${manner.words}`,
    (it) => {
      it.effect(
        "whatever calls come in whatever order, a key is one write and one answer",
        () =>
          Effect.gen(function* () {
            const run = Effect.runPromiseWith(yield* Effect.context<World | Tools | AgentRegistry>())
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(steps, (sequence) => run(hold(sequence, manner))),
                { numRuns: runs, interruptAfterTimeLimit: longestMillis }
              )
            )
          }),
        2 * longestMillis
      )
    }
  )
}
