import { Effect, Schema, Struct } from "effect"
import { Issue } from "../domain/Issue.ts"
import { filterNames, passesFilters } from "../domain/IssueFilters.ts"
import type { IssueFilters } from "../domain/Tasker.ts"
import { cursor, instant, limit, priority, reference, scanned } from "./fields.ts"
import { listFingerprint } from "./listCursor.ts"
import { readList } from "./paging.ts"
import { slim } from "./show.ts"
import { countFitting, fits } from "./size.ts"
import { readTool } from "./Tool.ts"

const summaryFields = Struct.omit(Issue.fields, ["description", "plain_text"])

/** Tasker's limit if the gateway has to apply the filters. */
const unfilteredLimit = 100

export const listIssues = readTool({
  name: "tasker_list_issues",
  title: "List cards",
  description:
    "Lists a project's cards, without their texts. State, label and assignee by id or name. Go on with next_cursor until it is null: a page may be short or empty.",
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
    scanned,
    truncated: Schema.optionalKey(Schema.Literal(true))
  },
  run: Effect.fnUntraced(function* (args, board) {
    const filters: IssueFilters = {
      ...(args.state === undefined ? {} : { state_id: (yield* board.state(args.state)).id }),
      ...(args.label === undefined ? {} : { label_id: (yield* board.label(args.label)).id }),
      ...(args.assignee === undefined ? {} : { assignee_id: (yield* board.member(args.assignee)).id }),
      ...(args.priority === undefined ? {} : { priority: args.priority }),
      ...(args.search === undefined ? {} : { search: args.search }),
      ...(args.updated_after === undefined ? {} : { updated_after: args.updated_after })
    }
    const filtersHere = filterNames(filters).length > 0 && (yield* board.ignoresFilters)
    const { complete, items, latest, upTo } = yield* readList(
      {
        list: listFingerprint({ issues: board.projectId, ...filters }),
        read: (page) => board.issues({ ...filters, ...page }),
        keeps: (issue) => passesFilters(issue, filters),
        order: "newest",
        ...(filtersHere ? { fetched: unfilteredLimit } : {})
      },
      args
    )
    const total_count = complete ? items.length : (latest?.total_count ?? null)
    const summaries = yield* board.summaries(items)
    const shown = (issues: typeof summaries) => ({ issues, ...upTo(issues.length), total_count })
    const whole = shown(summaries.slice(0, yield* countFitting(board.texts, summaries, shown)))
    if (yield* fits(board.texts, whole)) return whole
    // One card alone may have more names than fit: they are cut, and it says so.
    const short = (issues: typeof summaries) => ({ ...whole, issues, truncated: true as const })
    return short(yield* slim(board.texts, whole.issues, short))
  })
})
