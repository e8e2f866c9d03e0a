import { Effect, Schema } from "effect"
import { InputInvalid } from "../domain/Failure.ts"
import { invalidInput } from "../domain/inputs.ts"
import { htmlToMarkdown, markdownToHtml, unrepresentable } from "../domain/Markdown.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { UpdateIssue } from "../domain/Write.ts"
import {
  date,
  datesInOrder,
  expectedUpdatedAt,
  issueId,
  issueShown,
  markdown,
  name,
  priority
} from "./fields.ts"
import { changed, type Plan, writeTool } from "./Tool.ts"

const nothingToUpdate = () =>
  invalidInput("", "Give at least one of name, description, priority, start_date, target_date and parent_id.")

const wouldLose = (issue: TaskerIssue, content: ReadonlyArray<string>) =>
  new InputInvalid({
    reason: "would_lose_content",
    message: `The text of ${issue.identifier} holds what Markdown can't (${content.join(", ")}): a new description would lose it. Nothing was changed. Add a comment instead, or ask a person; with allow_content_loss: true it is replaced all the same.`,
    details: { issue_id: issue.id, content }
  })

export const updateIssue = writeTool({
  name: "tasker_update_issue",
  title: "Change a card",
  description:
    "Changes a card's name, description (Markdown, the whole new text), priority, dates or parent. Fields left out stay as they are; null clears a date or the parent. Read the card first.",
  scope: "issue:update",
  makes: "UpdateIssue",
  input: {
    issue_id: issueId,
    name: Schema.optionalKey(name),
    description: Schema.optionalKey(markdown),
    priority: Schema.optionalKey(priority),
    start_date: Schema.optionalKey(Schema.NullOr(date)),
    target_date: Schema.optionalKey(Schema.NullOr(date)),
    parent_id: Schema.optionalKey(Schema.NullOr(issueId)),
    expected_updated_at: expectedUpdatedAt,
    allow_content_loss: Schema.optionalKey(Schema.Boolean)
  },
  output: { issue: issueShown },
  plan: Effect.fnUntraced(function* (args, board) {
    const { project_id: _, issue_id, description, expected_updated_at, allow_content_loss, ...rest } = args
    const { name, priority, start_date, target_date, parent_id } = rest
    const given = { name, priority, start_date, target_date, parent_id }
    const fields = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined)
    ) as Omit<UpdateIssue["fields"], "description_html">
    if (Object.keys(fields).length === 0 && description === undefined) return yield* nothingToUpdate()
    const issue = yield* board.issue(issue_id)
    yield* board.unchanged(issue, expected_updated_at)
    yield* datesInOrder(
      start_date === undefined ? issue.start_date : start_date,
      target_date === undefined ? issue.target_date : target_date
    )
    if (parent_id != null) yield* board.issue(parent_id, "parent_id")
    const lost = description === undefined ? [] : unrepresentable(issue.description_html ?? "")
    if (lost.length > 0 && allow_content_loss !== true) return yield* wouldLose(issue, lost)
    const before = Object.fromEntries(
      Object.keys(fields).map((field) => [field, issue[field as keyof TaskerIssue]])
    )
    const text =
      description === undefined ? {} : { description: htmlToMarkdown(issue.description_html ?? "") }
    return {
      write: {
        _tag: "UpdateIssue",
        project_id: board.projectId,
        issue_id,
        expected_updated_at: expected_updated_at ?? null,
        seen_updated_at: issue.updated_at,
        fields: {
          ...fields,
          ...(description === undefined ? {} : { description_html: markdownToHtml(description) })
        }
      },
      change: {
        before: { ...before, ...text },
        after: { ...fields, ...(description === undefined ? {} : { description }) }
      }
    } satisfies Plan<UpdateIssue>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.updateIssue(ticket, write), changed)
})
