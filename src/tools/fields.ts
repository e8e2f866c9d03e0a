import { Effect, Schema } from "effect"
import type { InputInvalid } from "../domain/Failure.ts"
import { IssueId } from "../domain/Ids.ts"
import { Comment, IssueRead, Priority } from "../domain/Issue.ts"
import { versionLength } from "../domain/IssueVersion.ts"
import { invalidInput, isCalendarDate, isInstant, wholesome } from "../domain/inputs.ts"
import type { AgentTexts } from "../services/Texts.ts"
import { maxMarkdownLength } from "../text/MarkdownBounds.ts"
import { stripInvisible } from "../text/PlainText.ts"
import { alwaysShown } from "./present.ts"

/** Arguments and answers that several tools share, each said once in the words that a model reads. */

export const text = Schema.String.check(wholesome)

export const issueId = IssueId
export const name = Schema.String.check(
  Schema.isBetweenCodePoints(1, 255),
  wholesome,
  Schema.makeFilter(
    (value: string) => value.trim() !== "" && !/\p{Cc}/u.test(value) && stripInvisible(value) === value,
    { message: "Expected one line that is not blank, without control or invisible characters" }
  )
)

/** As long a text as keeps its structure when it is turned into HTML. */
export const markdown = text.check(Schema.isMaxLength(maxMarkdownLength))

/** Markdown as the HTML that Tasker keeps, or why it can't be. */
export const rendered = <E>(
  field: string,
  markdown: string,
  texts: AgentTexts<E>
): Effect.Effect<string, InputInvalid | E> =>
  Effect.flatMap(texts.render(markdown), (rendered) => {
    if (rendered._tag === "TooComplex") {
      return Effect.fail(
        invalidInput(
          field,
          "This text is nested too deeply or too large to keep its structure: make it simpler or split it."
        )
      )
    }
    return rendered.shows
      ? Effect.succeed(rendered.html)
      : Effect.fail(invalidInput(field, "Of this text nothing would be seen on the card."))
  })

export const date = Schema.String.check(
  Schema.makeFilter(isCalendarDate, {
    message: "Expected a date that exists, as YYYY-MM-DD",
    toJsonSchema: () => ({ format: "date" })
  })
)

/** An id or a name. */
export const reference = Schema.String.check(Schema.isBetweenLength(1, 255), wholesome)
export const references = Schema.Array(reference).check(Schema.isMaxLength(50))

export const priority = Priority

/** Arguments of every change of a card by which it is refused if the card was changed meanwhile. */
export const expectations = {
  expected_version: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(new RegExp(`^[A-Za-z0-9_-]{${versionLength}}$`), {
        message: "Expected the version of a card that you read"
      })
    )
  ).pipe(
    Schema.annotateKey({
      description:
        "The version you last read (needs issue:read): the change is refused if the card's content was changed since."
    })
  ),
  expected_updated_at: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 64), wholesome)).pipe(
    Schema.annotateKey({ description: "Older form of expected_version, by updated_at." })
  )
}

export const cursor = Schema.optionalKey(
  Schema.String.check(Schema.isBetweenLength(1, 1024), wholesome)
).pipe(Schema.annotateKey({ description: "next_cursor of the page before." }))

/** Of a list: how many were looked at, if the gateway had to leave some out. */
export const scanned = Schema.optionalKey(Schema.Int)

export const limit = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })))

/** A card in an answer. A writer without issue:read is given some of its fields only, a list leaves the text out. */
export const issueShown = Schema.Struct({
  ...IssueRead.fields,
  ...Object.fromEntries(
    Object.entries(IssueRead.fields)
      .filter(([field]) => !alwaysShown.includes(field))
      .map(([field, schema]) => [field, Schema.optionalKey(schema as Schema.Top)])
  )
})

export const commentShown = Comment

const startsAfter = (start: string | null | undefined, target: string | null | undefined): boolean =>
  start != null && target != null && start > target

/** The same for who may not read the card: its own date is not named. */
export const datesInOrderUnseen = (
  start: string | null,
  target: string | null
): Effect.Effect<void, InputInvalid> =>
  startsAfter(start, target)
    ? Effect.fail(invalidInput("", "With this date the card would start after its target date."))
    : Effect.void

export const datesInOrder = (
  start: string | null | undefined,
  target: string | null | undefined
): Effect.Effect<void, InputInvalid> =>
  startsAfter(start, target)
    ? Effect.fail(invalidInput("start_date", `${start} is after target_date ${target}: give dates in order.`))
    : Effect.void

export const instant = Schema.String.check(
  Schema.makeFilter(isInstant, {
    message: "Expected an instant such as 2026-01-31T09:30:00Z",
    toJsonSchema: () => ({ format: "date-time" })
  })
)
