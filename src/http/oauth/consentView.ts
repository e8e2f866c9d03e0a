import { Effect } from "effect"
import type { Project } from "../../domain/Issue.ts"
import type { StandingGrant } from "../../domain/Principal.ts"
import { allScopes, type Scope } from "../../domain/Scope.ts"
import type { OnBehalf, TaskerAdapter } from "../../services/TaskerAdapter.ts"
import type { ShownProject } from "../pages/models.ts"

/** What was asked and is granted now in some project: what a person can give. */
export const offeredIn = (
  grants: ReadonlyArray<StandingGrant>,
  asked: ReadonlyArray<Scope>
): ReadonlyArray<Scope> =>
  allScopes.filter(
    (scope) => asked.includes(scope) && grants.some((grant) => !grant.expired && grant.scopes.includes(scope))
  )

/** Tasker is asked for the names of so many projects at most, so many at a time, and for so long together. */
const mostNamed = 24
const atOnce = 6
const patience = "2 seconds"

/**
 * The projects in which something of what is offered may be done, by the names that Tasker knows them by where it
 * says so in time. Whoever sees this has shown a good pairing code of the agent, and is told of its live grants alone.
 */
export const shownProjects = Effect.fnUntraced(function* (
  tasker: TaskerAdapter["Service"],
  who: Omit<OnBehalf, "workspaceSlug">,
  grants: ReadonlyArray<StandingGrant>,
  offered: ReadonlyArray<Scope>
): Effect.fn.Return<ReadonlyArray<ShownProject>> {
  const shown = grants.filter(
    (grant) => !grant.expired && grant.scopes.some((scope) => offered.includes(scope))
  )
  const named = new Map<string, Project>()
  yield* Effect.forEach(
    shown.slice(0, mostNamed),
    ({ project_id, workspace_slug }) =>
      Effect.match(
        tasker.resolveProject({ ...who, workspaceSlug: workspace_slug }, { workspace_slug, project_id }),
        {
          onFailure: () => undefined,
          onSuccess: (project) => named.set(project_id, project)
        }
      ),
    { concurrency: atOnce, discard: true }
  ).pipe(
    // A form is answered to its end, which must not keep this from being given up. What came in time is shown.
    Effect.interruptible,
    Effect.timeoutOption(patience)
  )
  return shown.map((grant) => {
    const project = named.get(grant.project_id)
    return {
      id: grant.project_id,
      name: project?.name ?? null,
      identifier: project?.identifier ?? null,
      workspaceSlug: grant.workspace_slug,
      scopes: grant.scopes,
      expiresAt: grant.expires_at,
      maxWritesPerDay: grant.max_writes_per_day
    }
  })
})
