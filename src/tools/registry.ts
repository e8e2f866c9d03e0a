import { addComment } from "./addComment.ts"
import { createIssue } from "./createIssue.ts"
import { getIssue } from "./getIssue.ts"
import { getProjectContext } from "./getProjectContext.ts"
import { getSession } from "./getSession.ts"
import { listComments } from "./listComments.ts"
import { listIssues } from "./listIssues.ts"
import { moveIssue } from "./moveIssue.ts"
import { resolveProject } from "./resolveProject.ts"
import { setAssignees } from "./setAssignees.ts"
import { setLabels } from "./setLabels.ts"
import type { Tool } from "./Tool.ts"
import { updateIssue } from "./updateIssue.ts"

/** Every tool there is, in the order in which agents are shown them. A new tool is a file and a line here. */
export const tools: ReadonlyArray<Tool> = [
  getSession,
  resolveProject,
  getProjectContext,
  listIssues,
  getIssue,
  listComments,
  createIssue,
  updateIssue,
  moveIssue,
  addComment,
  setLabels,
  setAssignees
]

const byName: ReadonlyMap<string, Tool> = new Map(tools.map((tool) => [tool.name, tool]))

export const find = (name: string): Tool | undefined => byName.get(name)
