import { Effect, Schema } from "effect"
import { GrantDenied, type TaskerFailure } from "../domain/Failure.ts"
import { ProjectId } from "../domain/Ids.ts"
import { Project } from "../domain/Issue.ts"
import { invalidInput } from "../domain/inputs.ts"
import { reference } from "./fields.ts"
import { plain } from "./present.ts"
import { sessionTool } from "./Tool.ts"

/** Ungranted and unknown look alike, so that nobody learns of projects by asking. */
const notGranted = () =>
  new GrantDenied({
    reason: "no_grant",
    message:
      "No project like that is granted to this agent with project:read. tasker_get_session shows what is granted; the owner can grant more."
  })

/** What Tasker says of a project that it does not find, or of a name that it can't look for. */
const known = (failure: TaskerFailure) =>
  ["not_found", "rejected", "conflict"].includes(failure.reason) ? notGranted() : failure

export const resolveProject = sessionTool({
  name: "tasker_resolve_project",
  title: "Find a project",
  description:
    "Finds a granted project by its id, identifier (such as OPS) or name. Give exactly one of the three.",
  scope: "project:read",
  input: {
    workspace_slug: Schema.optionalKey(reference).pipe(
      Schema.annotateKey({ description: "May be left out where only one workspace is granted." })
    ),
    project_id: Schema.optionalKey(ProjectId),
    identifier: Schema.optionalKey(reference),
    name: Schema.optionalKey(reference)
  },
  output: { project: Project },
  run: Effect.fnUntraced(function* (args, { principal, policy, tasker, who }) {
    const { workspace_slug, ...by } = args
    if (Object.keys(by).length !== 1)
      return yield* invalidInput("", "Give exactly one of project_id, identifier and name.")
    const granting = policy.granting(principal, "project:read", workspace_slug)
    const workspaces = [...new Set(granting.map((grant) => grant.workspace_slug))]
    const [workspace] = workspaces
    if (workspace === undefined) return yield* notGranted()
    if (workspaces.length > 1)
      return yield* invalidInput("workspace_slug", `Name one workspace_slug of: ${workspaces.join(", ")}.`)
    if (by.project_id !== undefined && !granting.some((grant) => grant.project_id === by.project_id)) {
      return yield* notGranted()
    }
    const project = yield* tasker
      .resolveProject({ ...who, workspaceSlug: workspace }, { workspace_slug: workspace, ...by })
      .pipe(
        // An agent without a grant must not learn if a project exists or if its owner may enter it.
        Effect.catch((failure) =>
          Effect.fail(
            failure._tag === "GrantDenied"
              ? by.project_id === undefined
                ? notGranted()
                : failure
              : known(failure)
          )
        )
      )
    if (!granting.some((grant) => grant.project_id === project.id)) return yield* notGranted()
    return { project: { ...project, name: plain(project.name) } }
  })
})
