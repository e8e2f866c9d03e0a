import { Effect } from "effect"
import type { MoveIssue } from "../domain/Write.ts"
import { expectations, issueId, issueShown, reference } from "./fields.ts"
import { changed, type Plan, writeTool } from "./Tool.ts"

export const moveIssue = writeTool({
  name: "tasker_move_issue",
  title: "Move a card",
  description: "Moves a card to another state of its project, by the state's id or name.",
  scope: "issue:move",
  makes: "MoveIssue",
  input: { issue_id: issueId, state: reference, ...expectations },
  output: { issue: issueShown },
  plan: Effect.fnUntraced(function* (args, board) {
    const { issue, target } = yield* board.change(args)
    const state = yield* board.state(args.state)
    return {
      write: {
        _tag: "MoveIssue",
        ...target,
        state_id: state.id
      },
      change: { before: { state: (yield* board.summary(issue)).state }, after: { state } },
      seen: issue
    } satisfies Plan<MoveIssue>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.moveIssue(ticket, write), changed)
})
