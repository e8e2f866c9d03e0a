import { Context, type Effect } from "effect"
import type { GrantDenied } from "../domain/Failure.ts"
import type { ProjectId } from "../domain/Ids.ts"
import type { Principal, StandingGrant } from "../domain/Principal.ts"
import type { Scope } from "../domain/Scope.ts"

/** Decides what a principal may do, by its grants alone. Pure: it asks nobody and remembers nothing. */
export class GrantPolicy extends Context.Service<
  GrantPolicy,
  {
    /**
     * The grant under which this scope may be used on this project. Fails with `grant.no_grant`
     * (also for a project that does not exist: the two look alike), `grant.grant_expired` or
     * `grant.scope_missing`. A login's grants are narrowed already; its token only says whose fault that is.
     */
    authorise(
      principal: Pick<Principal, "agent" | "grants"> & Partial<Pick<Principal, "token">>,
      scope: Scope,
      projectId: ProjectId
    ): Effect.Effect<StandingGrant, GrantDenied>
    /** The live grants with this scope in a workspace, or in all where none is named. */
    granting(principal: Principal, scope: Scope, workspaceSlug?: string): ReadonlyArray<StandingGrant>
    /** All scopes that any live grant holds: what a listing of tools is made from. */
    scopes(principal: Pick<Principal, "grants">): ReadonlySet<Scope>
  }
>()("tasker-codex-api/services/GrantPolicy") {}
