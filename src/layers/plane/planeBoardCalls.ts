import { Schema } from "effect"
import type { ProjectId } from "../../domain/Ids.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import { decoder } from "../tasker/taskerAnswers.ts"
import type { Call } from "../tasker/taskerCalls.ts"
import { longestPage, projectPath, read, search, workspace } from "./planePaths.ts"
import {
  PlaneLabel,
  PlaneMember,
  type PlanePage,
  PlanePerson,
  PlaneProject,
  PlaneState,
  PlaneUser,
  pageDecoder
} from "./planeShapes.ts"

/** Calls that read a workspace and what its projects consist of. */

/** The account of a key. */
export const me = (who: OnBehalf): Call<typeof PlaneUser.Type> =>
  read({
    name: "me",
    path: "/users/me/",
    who,
    doing: "Reading the gateway's own account",
    projectId: undefined,
    decode: decodeUser
  })

/** The project that a call about the whole workspace is made for. */
type About = ProjectId | undefined

export const projects = (
  who: OnBehalf,
  cursor: string | undefined,
  about: About
): Call<PlanePage<PlaneProject>> =>
  read({
    name: "projects",
    path: `${workspace(who)}/projects/?${search({ per_page: longestPage, cursor })}`,
    who,
    doing: `Listing the projects of workspace ${who.workspaceSlug}`,
    projectId: about,
    decode: decodeProjects
  })

export const workspaceMembers = (who: OnBehalf, about: About): Call<ReadonlyArray<PlaneMember>> =>
  read({
    name: "workspaceMembers",
    path: `${workspace(who)}/members/`,
    who,
    doing: `Listing the members of workspace ${who.workspaceSlug}`,
    projectId: about,
    decode: decodeMembers
  })

export const projectMembers = (who: OnBehalf, projectId: ProjectId): Call<ReadonlyArray<PlanePerson>> =>
  read({
    name: "projectMembers",
    path: `${projectPath(who, projectId)}/members/`,
    who,
    doing: `Listing the members of project ${projectId}`,
    projectId,
    decode: decodePeople
  })

export const states = (
  who: OnBehalf,
  projectId: ProjectId,
  cursor: string | undefined
): Call<PlanePage<typeof PlaneState.Type>> =>
  read({
    name: "states",
    path: `${projectPath(who, projectId)}/states/?${search({ per_page: longestPage, cursor })}`,
    who,
    doing: `Listing the states of project ${projectId}`,
    projectId,
    decode: decodeStates
  })

export const labels = (
  who: OnBehalf,
  projectId: ProjectId,
  cursor: string | undefined
): Call<PlanePage<typeof PlaneLabel.Type>> =>
  read({
    name: "labels",
    path: `${projectPath(who, projectId)}/labels/?${search({ per_page: longestPage, cursor })}`,
    who,
    doing: `Listing the labels of project ${projectId}`,
    projectId,
    decode: decodeLabels
  })

const decodeUser = decoder(PlaneUser)
const decodeProjects = pageDecoder(PlaneProject)
const decodeMembers = decoder(Schema.Array(PlaneMember))
const decodePeople = decoder(Schema.Array(PlanePerson))
const decodeStates = pageDecoder(PlaneState)
const decodeLabels = pageDecoder(PlaneLabel)
