import type { TaskerIssue } from "../../domain/Tasker.ts"
import type {
  AddComment,
  CreateIssue,
  MoveIssue,
  SetAssignees,
  SetLabels,
  UpdateIssue
} from "../../domain/Write.ts"
import type { PlaneOwner } from "./planeOwner.ts"
import { withVia } from "./viaLine.ts"

/** The bodies of Plane's writes. */

type Body = Readonly<Record<string, unknown>>

/** Plane refuses an empty text, and stores this one for it. */
const emptyText = "<p></p>"

const textOf = (html: string): string => (html.trim() === "" ? emptyText : html)

export const createBody = (write: CreateIssue, owner: PlaneOwner): Body => ({
  name: write.name,
  description_html: textOf(write.description_html),
  priority: write.priority,
  // Plane takes `null` for the default state only if the field is left out.
  ...(write.state_id === null ? {} : { state: write.state_id }),
  labels: write.label_ids,
  assignees: write.assignee_ids,
  start_date: write.start_date,
  target_date: write.target_date,
  parent: write.parent_id,
  created_by: owner.id
})

/** Names what a change does in a span, in a sentence and in Plane's terms. */
export interface ChangeBody {
  readonly name: string
  readonly doing: string
  readonly body: Body
}

export const updateBody = ({ fields }: UpdateIssue): ChangeBody => {
  const { description_html, parent_id, ...same } = fields
  return {
    name: "updateIssue",
    doing: "Changing",
    body: {
      ...same,
      ...(description_html === undefined ? {} : { description_html: textOf(description_html) }),
      ...(parent_id === undefined ? {} : { parent: parent_id })
    }
  }
}

export const moveBody = ({ state_id }: MoveIssue): ChangeBody => ({
  name: "moveIssue",
  doing: "Moving",
  body: { state: state_id }
})

export const labelsBody = ({ label_ids }: SetLabels): ChangeBody => ({
  name: "setLabels",
  doing: "Setting the labels of",
  body: { labels: label_ids }
})

export const assigneesBody = ({ assignee_ids }: SetAssignees): ChangeBody => ({
  name: "setAssignees",
  doing: "Setting the assignees of",
  body: { assignees: assignee_ids }
})

/**
 * The change that adds the labels and assignees which an interrupted create left out; undefined if there are
 * none. Plane commits a card, its assignees and its labels one by one. Never removes any.
 */
export const completion = (write: CreateIssue, card: TaskerIssue): ChangeBody | undefined => {
  const labels = missing(write.label_ids, card.label_ids)
  const assignees = missing(write.assignee_ids, card.assignee_ids)
  if (labels.length === 0 && assignees.length === 0) return undefined
  return {
    name: "completeIssue",
    doing: "Completing",
    body: {
      ...(labels.length === 0 ? {} : { labels: [...card.label_ids, ...labels] }),
      ...(assignees.length === 0 ? {} : { assignees: [...card.assignee_ids, ...assignees] })
    }
  }
}

const missing = (asked: ReadonlyArray<string>, stands: ReadonlyArray<string>): ReadonlyArray<string> =>
  asked.filter((id) => !stands.includes(id))

export const commentBody = (
  { comment_html }: AddComment,
  {
    agentName,
    owner,
    viaLine
  }: { readonly agentName: string; readonly owner: PlaneOwner; readonly viaLine: boolean }
): Body => ({
  comment_html: viaLine ? withVia(comment_html, agentName) : comment_html,
  created_by: owner.id
})
