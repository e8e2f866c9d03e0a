import { Schema } from "effect"

/**
 * What a grant may allow. A scope gives what it names and no more; there is no scope that deletes.
 */
export const Scope = Schema.Literals([
  "project:read",
  "issue:read",
  "issue:create",
  "issue:update",
  "issue:move",
  "comment:create",
  "label:set",
  "assignee:set"
])
export type Scope = typeof Scope.Type

export const allScopes: ReadonlyArray<Scope> = Scope.literals
