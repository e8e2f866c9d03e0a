import type { ProjectId } from "../../domain/Ids.ts"
import type { OnBehalf } from "../../services/TaskerAdapter.ts"
import type { Call } from "../tasker/taskerCalls.ts"

/**
 * Paths of Plane's REST API v1. Every path ends with a slash: Plane redirects the others, and a redirect is never
 * followed.
 */

/** Items of one page, the most that Plane gives. */
export const longestPage = 1000

export const segment = encodeURIComponent
export const workspace = ({ workspaceSlug }: OnBehalf) => `/workspaces/${segment(workspaceSlug)}`
export const projectPath = (who: OnBehalf, projectId: ProjectId) => `${workspace(who)}/projects/${projectId}`
/** The newer spelling; an older server has `issues` instead (`planeExchange.ts`). */
export const cards = (who: OnBehalf, projectId: ProjectId) => `${projectPath(who, projectId)}/work-items`

export const search = (fields: Readonly<Record<string, string | number | undefined>>): string => {
  const set = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]]
  )
  return new URLSearchParams(set).toString()
}

const nothingAstray = () => undefined

export const read = <A>(
  call: Pick<Call<A>, "name" | "path" | "who" | "doing" | "projectId" | "decode"> & Partial<Call<A>>
): Call<A> => ({ method: "GET", strays: nothingAstray, ...call })
