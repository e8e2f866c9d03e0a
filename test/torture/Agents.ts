import type { Project } from "./counterparts/Counterpart.ts"

/** An agent as its owner and its workers know it. */
export interface TorturedAgent {
  readonly id: string
  readonly projects: ReadonlyArray<Project>
  /** Those that nobody has begun to revoke, the newest last. */
  tokens: ReadonlyArray<TokenHeld>
  /** By project: the live grant, or none while it is revoked. */
  readonly grants: Map<string, string>
  /** For the rest of the run and after: what is left of its writes may be looked at, never sent. */
  retired: boolean
}

export interface TokenHeld {
  readonly id: string
  readonly secret: string
}

export const allScopes = [
  "project:read",
  "issue:read",
  "issue:create",
  "issue:update",
  "issue:move",
  "comment:create",
  "label:set",
  "assignee:set"
] as const
export type Scope = (typeof allScopes)[number]

/** The contract's section 4. */
export const scopeOf: Readonly<Record<string, Scope>> = {
  tasker_get_project_context: "project:read",
  tasker_list_issues: "issue:read",
  tasker_get_issue: "issue:read",
  tasker_list_comments: "issue:read",
  tasker_create_issue: "issue:create",
  tasker_update_issue: "issue:update",
  tasker_move_issue: "issue:move",
  tasker_add_comment: "comment:create",
  tasker_set_labels: "label:set",
  tasker_set_assignees: "assignee:set"
}
