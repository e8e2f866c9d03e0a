import { Effect } from "effect"
import type { SetLabels } from "../domain/Write.ts"
import { expectations, issueId, issueShown, references } from "./fields.ts"
import { changed, type Plan, writeTool } from "./Tool.ts"

export const setLabels = writeTool({
  name: "tasker_set_labels",
  title: "Label a card",
  description: "Sets a card's labels: the whole new set, by id or name. An empty list takes all labels off.",
  scope: "label:set",
  makes: "SetLabels",
  input: { issue_id: issueId, labels: references, ...expectations },
  output: { issue: issueShown },
  plan: Effect.fnUntraced(function* (args, board) {
    const { issue, target } = yield* board.change(args)
    const labels = yield* board.labels(args.labels)
    return {
      write: {
        _tag: "SetLabels",
        ...target,
        label_ids: labels.map(({ id }) => id)
      },
      change: { before: { labels: (yield* board.summary(issue)).labels }, after: { labels } },
      seen: issue
    } satisfies Plan<SetLabels>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.setLabels(ticket, write), changed)
})
