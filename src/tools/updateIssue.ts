import { Effect, Schema, Struct } from "effect"
import { InputInvalid } from "../domain/Failure.ts"
import { invalidInput } from "../domain/inputs.ts"
import type { TaskerIssue } from "../domain/Tasker.ts"
import type { UpdateIssue } from "../domain/Write.ts"
import {
  date,
  datesInOrder,
  datesInOrderUnseen,
  expectations,
  issueId,
  issueShown,
  markdown,
  name,
  priority,
  rendered
} from "./fields.ts"
import { plainMark, quoted } from "./present.ts"
import { changed, type Plan, writeTool } from "./Tool.ts"

const nothingToUpdate = () =>
  invalidInput("", "Give at least one of name, description, priority, start_date, target_date and parent_id.")

/** `content` is what the card holds, named to who may read it. */
const wouldLose = (issue: TaskerIssue, content: ReadonlyArray<string>) =>
  new InputInvalid({
    reason: "would_lose_content",
    message: `The text of ${quoted(issue.identifier)} holds what Markdown can't${content.length > 0 ? ` (${content.join(", ")})` : ""}: a new description would lose it. Nothing was changed. Add a comment instead, or ask a person; with allow_content_loss: true it is replaced all the same.`,
    details: { issue_id: issue.id, ...(content.length > 0 ? { content } : {}) }
  })

/** The fields that go to Tasker as they are given. */
const plainFields = ["name", "priority", "start_date", "target_date", "parent_id"] as const

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
    ...expectations,
    allow_content_loss: Schema.optionalKey(Schema.Boolean)
  },
  output: { issue: issueShown },
  plan: Effect.fnUntraced(function* (args, board) {
    const fields = Struct.pick(
      args,
      plainFields.filter((field) => args[field] !== undefined)
    )
    const { description, start_date, target_date, parent_id } = args
    if (Object.keys(fields).length === 0 && description === undefined) return yield* nothingToUpdate()
    const { issue, target } = yield* board.change(args)
    if (start_date !== undefined || target_date !== undefined) {
      const start = start_date === undefined ? issue.start_date : start_date
      const target = target_date === undefined ? issue.target_date : target_date
      const given = start_date !== undefined && target_date !== undefined
      yield* given || board.may("issue:read")
        ? datesInOrder(start, target)
        : datesInOrderUnseen(start, target)
    }
    if (parent_id != null) yield* board.parentOf(issue, parent_id)
    const stands = Struct.pick(issue, Struct.keys(fields))
    if (description === undefined) {
      return {
        write: { _tag: "UpdateIssue", ...target, fields },
        change: { before: stands, after: fields },
        seen: issue
      } satisfies Plan<UpdateIssue>
    }
    const text = issue.description_html ?? ""
    const stood = yield* board.texts.read(text, yield* board.people([text]))
    if (stood.lost.length > 0 && args.allow_content_loss !== true)
      return yield* wouldLose(issue, board.may("issue:read") ? stood.lost : [])
    return {
      write: {
        _tag: "UpdateIssue",
        ...target,
        fields: { ...fields, description_html: yield* rendered("description", description, board.texts) }
      },
      change: {
        before: { ...stands, description: stood.markdown, ...plainMark(stood.plain) },
        after: { ...fields, description }
      },
      seen: issue
    } satisfies Plan<UpdateIssue>
  }),
  apply: (write, ticket, tasker) => Effect.map(tasker.updateIssue(ticket, write), changed)
})
