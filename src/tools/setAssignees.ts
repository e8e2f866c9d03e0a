import { Effect } from "effect"
import type { SetAssignees } from "../domain/Write.ts"
import { expectations, issueId, issueShown, references } from "./fields.ts"
import { changed, type Plan, writeTool } from "./Tool.ts"

export const setAssignees = writeTool({
  name: "tasker_set_assignees",
  title: "Assign a card",
  description:
    "Sets who is assigned to a card: the whole new set, by id, e-mail or display name. An empty list takes everyone off.",
  scope: "assignee:set",
  makes: "SetAssignees",
  input: { issue_id: issueId, assignees: references, ...expectations },
  output: { issue: issueShown },
  plan: Effect.fnUntraced(function* (args, board) {
    const { issue, target } = yield* board.change(args)
    const assignees = yield* board.assignees(args.assignees)
    return {
      write: {
        _tag: "SetAssignees",
        ...target,
        assignee_ids: assignees.map(({ id }) => id)
      },
      change: { before: { assignees: (yield* board.summary(issue)).assignees }, after: { assignees } },
      seen: issue
    } satisfies Plan<SetAssignees>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.setAssignees(ticket, write), changed)
})
