import { Predicate, Record } from "effect"
import type { Change, ChangedFields } from "../domain/Change.ts"
import type { Issue } from "../domain/Issue.ts"
import type { Answer } from "../domain/Operation.ts"
import { isChange, type Write } from "../domain/Write.ts"
import { maxMarkdownLength } from "../text/MarkdownBounds.ts"
import { plainWithin } from "../tools/present.ts"
import { cutAt } from "../tools/size.ts"

/**
 * A change as it is kept for its owner to look at: the fields that the write is about and no others, without
 * anything hidden or secret that somebody put into the card.
 */

/** The longest text that is kept: twice what an agent may write, since people write longer ones into Tasker. */
export const longestKept = 2 * maxMarkdownLength

/** The fields as they are kept; with `truncated: true` among them where a text is cut. */
const kept = (fields: ChangedFields): ChangedFields => {
  const whole = plainWithin(fields) as ChangedFields
  const isLong = (value: unknown): value is string => Predicate.isString(value) && value.length > longestKept
  if (!Object.values(whole).some(isLong)) return whole
  const short = Record.map(whole, (value) =>
    isLong(value) ? value.slice(0, cutAt(value, longestKept)) : value
  )
  return { ...short, truncated: true }
}

/** How the fields of a planned change stand, as it is kept from the reservation on. */
export const keptBefore = ({ before }: Change): Change["before"] => (before === null ? null : kept(before))

/** The fields of a card that are its maker's to set. */
const made = [
  "name",
  "description",
  "priority",
  "state",
  "labels",
  "assignees",
  "start_date",
  "target_date",
  "parent_id"
] as const satisfies ReadonlyArray<keyof Issue>

const fieldsOf = (write: Exclude<Write, { readonly _tag: "AddComment" }>): ReadonlyArray<string> => {
  switch (write._tag) {
    case "CreateIssue":
      return made
    case "UpdateIssue":
      return Object.keys(write.fields).map((field) => (field === "description_html" ? "description" : field))
    case "MoveIssue":
      return ["state"]
    case "SetLabels":
      return ["labels"]
    case "SetAssignees":
      return ["assignees"]
  }
}

/**
 * What a write that was done came to: `before` as it was kept, `after` as Tasker answered, which need not be
 * as was asked. Undefined where either is not known: a card that can't be shown any more, or a write that
 * was reserved before changes were kept.
 */
export const changeOf = (write: Write, before: Change["before"], answer: Answer): Change | undefined => {
  if (isChange(write) && before === null) return undefined
  if (write._tag === "AddComment") {
    return answer.comment === undefined
      ? undefined
      : { before: null, after: kept({ id: answer.comment.id, comment: answer.comment.comment }) }
  }
  if (answer.issue === undefined) return undefined
  const shown: Readonly<Record<string, unknown>> = answer.issue
  const after = Object.fromEntries(fieldsOf(write).map((field) => [field, shown[field]]))
  return { before, after: kept(after) }
}
