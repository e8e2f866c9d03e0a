import { layer } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import type { AgentRegistry } from "../../src/services/AgentRegistry.ts"
import type { Tools } from "../../src/tools/Tools.ts"
import { hold, type Manner, promptFaults, steps } from "../support/once-model.ts"
import { strict, type World, layer as world } from "../support/world.ts"

/** Sequences that each have to hold, on however slow a machine. */
const sequences = 12
/** Ends the search for a smaller counterexample. Running out of it is a failure, not a pass after fewer sequences. */
const longestMillis = 400_000

const manners: ReadonlyArray<
  Manner & { readonly words: string; readonly patience: typeof world; readonly faults: ReadonlyArray<string> }
> = [
  {
    words: "that behaves as Plane",
    switches: {},
    patience: world,
    // A change that arrives late is carried out a second time.
    faults: promptFaults
  },
  {
    words: "that knows keys and external ids",
    switches: {},
    patience: strict.impatient,
    faults: [...promptFaults, "delay"]
  },
  {
    words: "that does not know the key",
    switches: { dedupe_key: false },
    patience: strict.impatient,
    faults: [...promptFaults, "delay"]
  }
]

for (const manner of manners) {
  layer(manner.patience, { timeout: "10 minutes", excludeTestServices: true })(
    `with a Tasker ${manner.words}`,
    (it) => {
      it.effect("whatever calls come in whatever order, a key is one write and one answer", () =>
        Effect.gen(function* () {
          const run = Effect.runPromiseWith(yield* Effect.context<World | Tools | AgentRegistry>())
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(steps(manner.faults), (sequence) => run(hold(sequence, manner))),
              { numRuns: sequences, interruptAfterTimeLimit: longestMillis, markInterruptAsFailure: true }
            )
          )
        })
      )
    }
  )
}
