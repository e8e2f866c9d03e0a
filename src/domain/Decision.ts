import { Schema } from "effect"
import { stripInvisible } from "../text/PlainText.ts"
import { RequestRefused } from "./Failure.ts"
import { IssueId } from "./Ids.ts"

const noteLength = 1000

/** What somebody who looked says of it, on one line or several. It is shown as it stands, so all of it must be seen. */
const Note = Schema.String.check(
  Schema.isBetweenCodePoints(1, noteLength, { message: `Expected 1 to ${noteLength} characters` }),
  Schema.makeFilter(
    (text: string) =>
      text.isWellFormed() && text.trim() !== "" && stripInvisible(text) === text.replace(/\r\n?/g, "\n"),
    { message: "Expected text that is not blank, without control or invisible characters" }
  )
)

/** What an owner decides about a write whose outcome nobody knows. */
export const Decision = Schema.Struct({
  outcome: Schema.Literals(["executed", "not_executed"]),
  /** The card that was made or changed. */
  issue_id: Schema.optionalKey(IssueId),
  /** Decides that a write was not made although Tasker does not show it. Recorded in the audit trail. */
  force: Schema.optionalKey(Schema.Boolean),
  note: Note
}).check(
  Schema.makeFilter(
    ({
      force,
      issue_id,
      outcome
    }: {
      readonly force?: boolean
      readonly issue_id?: string
      readonly outcome: string
    }) => {
      if (outcome === "not_executed" && issue_id !== undefined) {
        return { path: ["issue_id"], issue: "A write that was not made has no card: leave it out" }
      }
      return outcome === "executed" && force !== undefined
        ? { path: ["force"], issue: "Only `not_executed` can be forced: leave it out" }
        : undefined
    }
  )
)
export type Decision = typeof Decision.Type

/** Where a row behind a key stands, as the database names it. */
export const OperationState = Schema.Literals([
  "in_progress",
  "unknown",
  "unresolved",
  "executed",
  "not_executed"
])
export type OperationState = typeof OperationState.Type

/** What a decision finds. */
export type Verdict =
  | { readonly _tag: "Undecided" }
  /** It stands as was decided: there is nothing left to do. */
  | { readonly _tag: "Standing" }
  | { readonly _tag: "Refused"; readonly failure: RequestRefused }

/**
 * Judges a decision by where the write stands. The same decision twice is one, whatever its note says, so
 * that it may be repeated after a lost reply; an executed write is the same where the decision names its card
 * or none.
 */
export const judgeDecision = (
  stands: { readonly state: OperationState; readonly issue_id: IssueId | null },
  { issue_id, outcome }: Pick<Decision, "outcome" | "issue_id">
): Verdict => {
  switch (stands.state) {
    case "unknown":
    case "unresolved":
      return { _tag: "Undecided" }
    case "in_progress":
      return { _tag: "Refused", failure: underWay() }
    default:
      return stands.state === outcome && (issue_id === undefined || issue_id === stands.issue_id)
        ? { _tag: "Standing" }
        : { _tag: "Refused", failure: settledAlready(stands.state, stands.issue_id) }
  }
}

const underWay = (): RequestRefused =>
  new RequestRefused({
    reason: "conflict",
    message:
      "This operation is being carried out or settled just now, which may find out by itself. Nothing was changed. Read it again in a moment, and decide if it is still not settled then.",
    retryable: true,
    details: { retry_after_seconds: 5 }
  })

const settledAlready = (state: "executed" | "not_executed", issueId: IssueId | null): RequestRefused =>
  new RequestRefused({
    reason: "conflict",
    message: `This operation is settled already: it was ${state === "executed" ? `made${issueId === null ? "" : `, and its card is ${issueId}`}` : "not made"}. Nothing was changed, and a settled operation is not settled anew. Its history says by whom.`,
    details: { status: state, issue_id: issueId }
  })
