import type { Seat } from "./Access.ts"
import type { Denial } from "./Denial.ts"
import { forbidden } from "./Denial.ts"
import type { Op } from "./Faults.ts"
import type { Settings } from "./Settings.ts"

/** Pairs a path with the methods that the reference carries out. */
interface Route {
  readonly pattern: RegExp
  /** Plane's own `Allow`, which is more than the reference carries out. */
  readonly allow: string
  readonly ops: Readonly<Record<string, Op>>
}

export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

/** Makes a route. `cards` stands for both spellings; ids that are no lower-case UUID match no path. */
const route = (path: string, allow: string, ops: Readonly<Record<string, Op>>): Route => {
  const pattern = path
    .replace(/\bcards\b/, "(?<spelling>issues|work-items)")
    .replace(/:(\w+_id)/g, `(?<$1>${uuid})`)
    .replace(/:(\w+)/g, "(?<$1>[^/]+)")
  return { pattern: new RegExp(`^/api/v1/${pattern}/$`), allow, ops }
}

const project = "workspaces/:slug/projects/:project_id"
const many = "GET, POST"
const one = "GET, PATCH, DELETE"

const routes: ReadonlyArray<Route> = [
  route("users/me", "GET", { GET: "me" }),
  route("workspaces/:slug/projects", many, { GET: "projects" }),
  route("workspaces/:slug/members", "GET", { GET: "workspace_members" }),
  route("workspaces/:slug/cards/search", "GET", { GET: "search" }),
  route("workspaces/:slug/cards/:identifier-:number", "GET", { GET: "identifier" }),
  route(project, one, { GET: "project" }),
  route(`${project}/states`, many, { GET: "states" }),
  route(`${project}/labels`, many, { GET: "labels", POST: "create_label" }),
  route(`${project}/members`, many, { GET: "members" }),
  route(`${project}/project-members`, many, { GET: "members" }),
  route(`${project}/cards`, many, { GET: "list", POST: "create" }),
  route(`${project}/cards/:issue_id`, one, { GET: "issue", PATCH: "update", DELETE: "delete" }),
  route(`${project}/cards/:issue_id/comments`, many, { GET: "list_comments", POST: "comment" }),
  route(`${project}/cards/:issue_id/comments/:comment_id`, one, { GET: "get_comment" })
]

export const match = (path: string, { work_items }: Settings): Match | undefined => {
  for (const route of routes) {
    const groups = route.pattern.exec(path)?.groups
    if (groups !== undefined || route.pattern.test(path)) {
      const params = Object.fromEntries(
        Object.entries(groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)])
      )
      return params.spelling === "work-items" && !work_items ? undefined : { route, params }
    }
  }
  return undefined
}

const changesCards: ReadonlySet<Op> = new Set(["create", "update", "delete", "create_label"])

/** Refuses a user who may not make this call, as measured with the keys of an admin, a member and a guest. */
export const denied = (op: Op, seat: Seat): Denial | undefined => {
  switch (op) {
    case "me":
    case "projects":
    case "search":
    // Unknown and secret projects are a 404 that counts as a request.
    case "project":
      return undefined
    case "workspace_members":
      return seat.workspace_role < 15 ? forbidden : undefined
    // Any seat in the workspace shows the members of every project.
    case "members":
    case "labels":
      return seat.seated && seat.project_id !== null ? undefined : forbidden
    default:
      return seat.project_role === null || (changesCards.has(op) && seat.project_role < 15)
        ? forbidden
        : undefined
  }
}
