import { Effect, Schema } from "effect"
import { TaskerFailure } from "../domain/Failure.ts"
import { IssueRead } from "../domain/Issue.ts"
import { versionOf } from "../domain/IssueVersion.ts"
import { invalidInput } from "../domain/inputs.ts"
import { issueId, reference } from "./fields.ts"
import { showIssue } from "./show.ts"
import { readTool } from "./Tool.ts"

export const getIssue = readTool({
  name: "tasker_get_issue",
  title: "Read a card",
  description:
    "Reads one card with its text as Markdown. A long text comes in parts: go on with description_offset = next_offset, and never write back a part.",
  scope: "issue:read",
  input: {
    issue_id: Schema.optionalKey(issueId),
    identifier: Schema.optionalKey(reference).pipe(Schema.annotateKey({ description: "Such as OPS-12." })),
    description_offset: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
  },
  output: {
    issue: IssueRead,
    truncated: Schema.optionalKey(Schema.Literal(true)),
    next_offset: Schema.optionalKey(Schema.Int)
  },
  run: Effect.fnUntraced(function* ({ issue_id, identifier, description_offset }, board) {
    if ((issue_id === undefined) === (identifier === undefined)) {
      return yield* invalidInput("", "Give either issue_id or identifier.")
    }
    const found =
      issue_id !== undefined ? yield* board.issue(issue_id) : yield* board.issueNamed(identifier ?? "")
    if (found === undefined) {
      return yield* new TaskerFailure({
        reason: "not_found",
        message: `No card ${identifier} in this project. tasker_list_issues finds cards by their names.`
      })
    }
    const issue = { ...(yield* board.view(found)), version: versionOf(found) }
    return yield* showIssue(board.texts, issue, {}, description_offset ?? 0)
  })
})
