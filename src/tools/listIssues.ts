import { Effect, Schema } from "effect"
import { Issue } from "../domain/Issue.ts"
import { cursor, instant, limit, priority, reference } from "./fields.ts"
import { slim } from "./show.ts"
import { countFitting, fits } from "./size.ts"
import { readTool } from "./Tool.ts"

const { description: _, ...summaryFields } = Issue.fields

export const listIssues = readTool({
  name: "tasker_list_issues",
  title: "List cards",
  description:
    "Lists a project's cards, without their texts. State, label and assignee by id or name. Go on with next_cursor.",
  scope: "issue:read",
  input: {
    state: Schema.optionalKey(reference),
    label: Schema.optionalKey(reference),
    assignee: Schema.optionalKey(reference),
    priority: Schema.optionalKey(priority),
    search: Schema.optionalKey(reference),
    updated_after: Schema.optionalKey(instant),
    cursor,
    limit
  },
  output: {
    issues: Schema.Array(Schema.Struct(summaryFields)),
    next_cursor: Schema.NullOr(Schema.String),
    total_count: Schema.NullOr(Schema.Int),
    truncated: Schema.optionalKey(Schema.Literal(true))
  },
  run: Effect.fnUntraced(function* (args, board) {
    const query = {
      ...(args.state === undefined ? {} : { state_id: (yield* board.state(args.state)).id }),
      ...(args.label === undefined ? {} : { label_id: (yield* board.label(args.label)).id }),
      ...(args.assignee === undefined ? {} : { assignee_id: (yield* board.member(args.assignee)).id }),
      ...(args.priority === undefined ? {} : { priority: args.priority }),
      ...(args.search === undefined ? {} : { search: args.search }),
      ...(args.updated_after === undefined ? {} : { updated_after: args.updated_after }),
      ...(args.cursor === undefined ? {} : { cursor: args.cursor })
    }
    const read = (limit: number) =>
      Effect.gen(function* () {
        const page = yield* board.issues({ ...query, limit })
        const issues = yield* board.summaries(page.results)
        return { issues, next_cursor: page.next_cursor, total_count: page.total_count }
      })
    const page = yield* read(args.limit ?? 20)
    const fitting = yield* countFitting(page.issues, (issues) => ({ ...page, issues }))
    // Only Tasker knows the cursor of a shorter page, so a page that is too long is asked for again.
    const shown = fitting === page.issues.length ? page : yield* read(fitting)
    if (yield* fits(shown)) return shown
    // One card alone may have more names than fit: they are cut, and it says so.
    const short = (issues: typeof shown.issues) => ({ ...shown, issues, truncated: true as const })
    return short(yield* slim(shown.issues, short))
  })
})
