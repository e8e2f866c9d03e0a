import { Effect, Schema } from "effect"
import type { CreateIssue } from "../domain/Write.ts"
import { markdownMicros } from "../text/conversionCost.ts"
import {
  date,
  datesInOrder,
  issueId,
  issueShown,
  markdown,
  name,
  priority,
  reference,
  references,
  rendered
} from "./fields.ts"
import { madeIssue, type Plan, writeTool } from "./Tool.ts"

/** CPU time that the conversion of a text may take for a caller who is not known yet, in microseconds. */
const mostMicros = 1500

export const createIssue = writeTool({
  name: "tasker_create_issue",
  title: "Create a card",
  description:
    "Creates a card. State, labels and assignees by id or name; one that does not exist is refused, never dropped. The description is Markdown.",
  scope: "issue:create",
  makes: "CreateIssue",
  input: {
    name,
    description: Schema.optionalKey(markdown),
    priority: Schema.optionalKey(priority),
    state: Schema.optionalKey(reference),
    labels: Schema.optionalKey(references),
    assignees: Schema.optionalKey(references),
    start_date: Schema.optionalKey(date),
    target_date: Schema.optionalKey(date),
    parent_id: Schema.optionalKey(issueId),
    allow_duplicate: Schema.optionalKey(Schema.Boolean).pipe(
      Schema.annotateKey({
        description:
          "Make it although a card with this title was made just now; only where a second one is intended."
      })
    )
  },
  output: { issue: issueShown },
  plansAtOnce: ({ assignees, description, labels, parent_id, state }) =>
    [state, parent_id, labels?.[0], assignees?.[0]].every((asked) => asked === undefined) &&
    markdownMicros(description ?? "") <= mostMicros,
  repetition: ({ allow_duplicate, name }) => ({ title: name, allowed: allow_duplicate === true }),
  plan: Effect.fnUntraced(function* (args, board) {
    yield* datesInOrder(args.start_date, args.target_date)
    const state = args.state === undefined ? null : yield* board.state(args.state)
    const labels = yield* board.labels(args.labels ?? [])
    const assignees = yield* board.assignees(args.assignees ?? [])
    if (args.parent_id !== undefined) yield* board.issue(args.parent_id, "parent_id")
    const description_html = yield* rendered("description", args.description ?? "", board.texts)
    const dates = { start_date: args.start_date ?? null, target_date: args.target_date ?? null }
    const common = {
      name: args.name,
      priority: args.priority ?? "none",
      ...dates,
      parent_id: args.parent_id ?? null
    }
    return {
      write: {
        _tag: "CreateIssue",
        project_id: board.projectId,
        ...common,
        description_html,
        state_id: state?.id ?? null,
        label_ids: labels.map(({ id }) => id),
        assignee_ids: assignees.map(({ id }) => id)
      },
      change: {
        before: null,
        after: { ...common, description: args.description ?? "", state, labels, assignees }
      }
    } satisfies Plan<CreateIssue>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.createIssue(ticket, write), madeIssue)
})
