import { Effect } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import type { Look, TaskerIssue } from "../../domain/Tasker.ts"
import type { OnBehalf, TaskerError } from "../../services/TaskerAdapter.ts"
import * as Calls from "./taskerCalls.ts"
import type { ServerError } from "./taskerFailures.ts"

/**
 * Look-ups that Tasker answers with 5xx. Plane does so for good if two cards stand under one `external_id`, so
 * such a failure is one write's trouble if Tasker answers another call, and an outage only if it does not.
 */

type Ask = <A>(call: Calls.Call<A>) => Effect.Effect<A, TaskerError>
type LookUp = <A>(call: Calls.Call<A>) => Effect.Effect<A, TaskerError | ServerError>
type Failing = Extract<Look<never>, { readonly _tag: "Failing" }>

export interface FailingLooks {
  /** Returns `Failing` if Tasker answers a read of the project's context, and fails as that read does if not. */
  aside(who: OnBehalf, projectId: ProjectId): Effect.Effect<Failing, TaskerError>
  /** Returns the cards of the newest page that carry the `external_id`; none if the page can't be had. */
  newest(who: OnBehalf, projectId: ProjectId, externalId: string): Effect.Effect<ReadonlyArray<TaskerIssue>>
}

/** Few enough that a page of the longest cards is no response too large to be read. */
const newestAtOnce = 50

export const make = (ask: Ask, lookUp: LookUp): FailingLooks => ({
  aside: (who, projectId) =>
    ask(Calls.projectContext(who, projectId)).pipe(
      Effect.catchIf(isAnswer, () => Effect.void),
      Effect.as<Failing>({
        _tag: "Failing",
        because:
          "Tasker fails to look up what stands under the key of this write, though it answers other calls: more than one thing may stand there."
      })
    ),
  newest: (who, projectId, externalId) =>
    lookUp(Calls.listIssues(who, { project_id: projectId, limit: newestAtOnce })).pipe(
      Effect.map(({ results }) => results.filter(({ external_id }) => external_id === externalId)),
      Effect.orElseSucceed(() => [])
    )
})

/** True if Tasker answered, though not with what was asked. */
const isAnswer = (failure: TaskerError): boolean =>
  failure._tag === "GrantDenied" || failure.reason === "rejected" || failure.reason === "not_found"
