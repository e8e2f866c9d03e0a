import { Effect } from "effect"
import { tools } from "../../src/tools/registry.ts"
import { type Actor, call } from "./world.ts"

/**
 * One row a write tool: which of Tasker's calls carries it, and two different sets of arguments, each of
 * which changes something on a card that is new: what changes nothing may be done without a write. What is
 * generated "for every write tool" is made from these rows; `unlisted` says which tool has none.
 */
export interface WriteRow {
  readonly tool: string
  readonly op: string
  readonly args: (issueId: string) => object
  readonly others: (issueId: string) => object
}

export const writeRows: ReadonlyArray<WriteRow> = [
  {
    tool: "tasker_create_issue",
    op: "create",
    args: () => ({ name: "A new card", description: "With **text**", state: "Todo", labels: ["bug"] }),
    others: () => ({ name: "Another card" })
  },
  {
    tool: "tasker_update_issue",
    op: "update",
    args: (issue_id) => ({ issue_id, name: "A new name", description: "A new *text*", priority: "high" }),
    others: (issue_id) => ({ issue_id, name: "Another name" })
  },
  {
    tool: "tasker_move_issue",
    op: "move",
    args: (issue_id) => ({ issue_id, state: "In Progress" }),
    others: (issue_id) => ({ issue_id, state: "Done" })
  },
  {
    tool: "tasker_add_comment",
    op: "comment",
    args: (issue_id) => ({ issue_id, comment: "Looks **good**" }),
    others: (issue_id) => ({ issue_id, comment: "Looks bad" })
  },
  {
    tool: "tasker_set_labels",
    op: "labels",
    args: (issue_id) => ({ issue_id, labels: ["bug", "backend"] }),
    others: (issue_id) => ({ issue_id, labels: [] })
  },
  {
    tool: "tasker_set_assignees",
    op: "assignees",
    args: (issue_id) => ({ issue_id, assignees: ["ivan"] }),
    others: (issue_id) => ({ issue_id, assignees: ["Olga Owner"] })
  }
]

export const unlisted: ReadonlyArray<string> = tools
  .filter(
    ({ name, listing }) => !listing.annotations.readOnlyHint && !writeRows.some(({ tool }) => tool === name)
  )
  .map(({ name }) => name)

/** A card of the actor's project to change, made under a key of its own. */
export const card = (actor: Actor, key = "the-card-itself") =>
  Effect.map(
    call(actor, "tasker_create_issue", { name: "A card", labels: ["backend"], idempotency_key: key }),
    ({ structured }) => (structured as { issue: { id: string } }).issue.id
  )
