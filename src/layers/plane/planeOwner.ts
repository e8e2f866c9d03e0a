import { Result } from "effect"
import { GrantDenied } from "../../domain/Failure.ts"
import type { ProjectId } from "../../domain/Ids.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import type { PlaneMember, PlanePerson } from "./planeShapes.ts"

/**
 * Decides if an agent's owner may do something in Plane. The gateway asks Plane with its own account, so Plane
 * itself does not check the owner's rights.
 */

/** The owner as a member of the workspace. Cards and comments carry the id as `created_by`. */
export interface PlaneOwner {
  readonly id: string
}

export type OwnerDenied = GrantDenied

interface Asking {
  readonly who: OnBehalf
  readonly projectId: ProjectId
  readonly doing: "reads" | "writes"
  readonly inWorkspace: ReadonlyArray<PlaneMember>
  /** Includes people who were removed from the project. */
  readonly inProject: ReadonlyArray<PlanePerson>
}

/** Lowest workspace role that may write; below it are guests. */
const memberRole = 15

export const ownerAmong = (asking: Asking): Result.Result<PlaneOwner, OwnerDenied> => {
  const { doing, inProject, inWorkspace, projectId, who } = asking
  const { owner_email, owner_user_id } = who.agent
  const workspace = `workspace ${who.workspaceSlug}`
  const byId = inWorkspace.find(({ id }) => id === owner_user_id.toLowerCase())
  const byEmail = inWorkspace.filter(({ email }) => email != null && sameEmail(email, owner_email))
  const [found, second] = byId === undefined ? byEmail : [byId]
  if (found === undefined) return denied(asking, `is not a member of ${workspace}`)
  if (second !== undefined) {
    return denied(asking, `can't be told apart: several members of ${workspace} have the owner's e-mail`)
  }
  if (!inProject.some(({ id }) => id === found.id)) {
    return denied(asking, `is not a member of project ${projectId}`)
  }
  if (doing === "writes" && (found.role ?? 0) < memberRole) {
    return denied(asking, `is a guest in ${workspace} and may only read there`)
  }
  return Result.succeed({ id: found.id })
}

const sameEmail = (one: string, other: string): boolean =>
  one.trim().toLowerCase() === other.trim().toLowerCase()

const denied = ({ doing, projectId, who }: Asking, why: string): Result.Result<never, OwnerDenied> =>
  Result.fail(
    new GrantDenied({
      reason: "owner_not_member",
      message: `The agent's owner ${why}, and an agent may do nothing that its owner may not.${doing === "writes" ? " Nothing was changed." : ""} Somebody who administers it in Tasker has to give the owner access; until then, don't repeat the call.`,
      details: { owner_user_id: who.agent.owner_user_id, project_id: projectId }
    })
  )
