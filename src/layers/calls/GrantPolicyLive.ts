import { Clock, Effect, Layer } from "effect"
import { GrantDenied } from "../../domain/Failure.ts"
import type { Scope } from "../../domain/Scope.ts"
import { GrantPolicy } from "../../services/GrantPolicy.ts"

const denied = (reason: GrantDenied["reason"], message: string, details: Record<string, unknown>) =>
  Effect.fail(new GrantDenied({ reason, message, details }))

/** A grant without an end, or with a distant one, was made before the gateway demanded an end. */
const endOf = (expiresAt: string | null, now: number): string => {
  if (expiresAt === null) return "has no end, and this gateway serves only grants that end"
  return Date.parse(expiresAt) > now
    ? `ends at ${expiresAt}, which is later than this gateway allows`
    : `expired at ${expiresAt}`
}

export const layer = Layer.succeed(
  GrantPolicy,
  GrantPolicy.of({
    authorise: (principal, scope, projectId) => {
      const owner = `The owner of this agent (${principal.agent.owner_user_id})`
      const grant = principal.grants.find((candidate) => candidate.project_id === projectId)
      if (grant === undefined) {
        return denied(
          "no_grant",
          `This agent has no grant for project ${projectId}. Nothing was changed. ${owner} can grant it; tasker_get_session shows what is granted.`,
          { project_id: projectId }
        )
      }
      if (grant.expired) {
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          denied(
            "grant_expired",
            `The grant for project ${projectId} ${endOf(grant.expires_at, now)}. Nothing was changed. ${owner} can renew it.`,
            { project_id: projectId, expires_at: grant.expires_at }
          )
        )
      }
      return grant.scopes.includes(scope)
        ? Effect.succeed(grant)
        : denied(
            "scope_missing",
            principal.token?.scopes?.includes(scope) === false
              ? `This login was not given the scope ${scope}. Nothing was changed. Log in again and ask ${owner} to tick it.`
              : `The grant for project ${projectId} lacks the scope ${scope}. Nothing was changed. ${owner} can add it.`,
            { project_id: projectId, required_scope: scope, granted_scopes: grant.scopes }
          )
    },
    granting: (principal, scope, workspaceSlug) =>
      principal.grants.filter(
        (grant) =>
          !grant.expired &&
          grant.scopes.includes(scope) &&
          (workspaceSlug === undefined || grant.workspace_slug === workspaceSlug)
      ),
    scopes: (principal) =>
      new Set<Scope>(principal.grants.filter((grant) => !grant.expired).flatMap((grant) => grant.scopes))
  })
)
