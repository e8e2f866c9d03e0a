import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { type Agent, newAgent, served } from "./served.ts"
import { makeScene, type Scene, termsOf } from "./tool-rows.ts"

/** The scene, and an agent that may do everything in it: what is refused is not for want of a scope. */
export class Stage extends Context.Service<Stage, { readonly scene: Scene; readonly agent: Agent }>()(
  "test/support/Stage"
) {}

export const layer = Layer.effect(
  Stage,
  Effect.gen(function* () {
    const scene = yield* makeScene
    return Stage.of({ scene, agent: yield* newAgent([termsOf(scene, allScopes)]) })
  })
).pipe(Layer.provideMerge(served({ RATE_LIMIT_WRITES_PER_MINUTE: "0" })))
