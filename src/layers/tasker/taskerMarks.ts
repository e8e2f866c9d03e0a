import { Effect } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import type { Look, Mark, TaskerIssue } from "../../domain/Tasker.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import * as Calls from "./taskerCalls.ts"
import { type Capabilities, randomHex } from "./taskerCapabilities.ts"

/** Judges what a look-up by `external_id` shows: a Tasker that ignores the parameter shows any cards. */

type LookUp = <A>(call: Calls.Call<A>) => Effect.Effect<A, unknown>

export interface Marks {
  /** The cards of a look-up that count: those that carry the mark, or all if Tasker is known to look it up. */
  readonly shown: (
    who: OnBehalf,
    mark: Mark,
    results: ReadonlyArray<TaskerIssue>
  ) => Effect.Effect<Look<TaskerIssue>>
  /** True if a create or comment that is sent again is recognised, as far as was seen. */
  readonly recognisesRepeats: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<boolean>
}

export const make = (lookUp: LookUp, capabilities: Capabilities): Marks => {
  /** Looks up a value that no card has: a Tasker that ignores the parameter shows cards nevertheless. */
  const looksUp = (who: OnBehalf, project_id: ProjectId) =>
    capabilities.learn(
      "external_id_lookup",
      Effect.flatMap(randomHex(64), (external_id) =>
        Effect.map(lookUp(Calls.listIssues(who, { project_id, external_id, limit: 1 })), ({ results }) =>
          results.length === 0 ? "yes" : "no"
        )
      )
    )
  const unsupported = Effect.map(
    capabilities.of("repeat_detection"),
    (known): Look<never> => ({ _tag: "Unsupported", recognisesRepeats: known === "yes" })
  )

  return {
    shown: Effect.fnUntraced(function* (who, { external_id, project_id }, results) {
      const own = results.filter((card) => card.external_id === external_id)
      if (own.length > 0 || results.length === 0) return found(own)
      if (results.some((card) => card.external_id !== undefined)) {
        yield* capabilities.note("external_id_lookup", "no")
        return yield* unsupported
      }
      return (yield* looksUp(who, project_id)) === "yes" ? found(results) : yield* unsupported
    }),
    recognisesRepeats: Effect.fnUntraced(function* (who, projectId) {
      const known = yield* capabilities.of("repeat_detection")
      // A Tasker that looks cards up by `external_id` keeps it, and so refuses a second one.
      return known === "unknown" ? (yield* looksUp(who, projectId)) === "yes" : known === "yes"
    })
  }
}

export const found = <A extends { readonly id: string }>([first, ...others]: ReadonlyArray<A>): Look<A> =>
  first === undefined
    ? { _tag: "Absent" }
    : { _tag: "Found", value: first, others: others.map(({ id }) => id) }
