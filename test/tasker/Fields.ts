import { Schema, SchemaTransformation } from "effect"

/** PostgreSQL can't store NUL, and UTF-8 has no lone surrogates: Plane refuses both. */
export const Text = Schema.String.check(
  Schema.makeFilter((text: string) => text.isWellFormed() && !text.includes("\0"), {
    message: "Expected text without NUL and lone surrogates"
  })
)

export const Uuid = Schema.String.check(Schema.isGUID({ message: "Expected a UUID" })).pipe(
  Schema.decodeTo(Schema.String, SchemaTransformation.toLowerCase())
)

export const UserId = Text.check(Schema.isBetweenLength(1, 128))

/** White space around a name is dropped, as Plane does, before its length is looked at. */
export const Name = Text.pipe(
  Schema.decodeTo(
    Schema.String.check(
      Schema.isMinCodePoints(1, { message: "This field may not be blank." }),
      Schema.isMaxCodePoints(255, { message: "Ensure this field has no more than 255 characters." })
    ),
    SchemaTransformation.trim()
  )
)

export const Priority = Schema.Literals(["urgent", "high", "medium", "low", "none"])
export type Priority = typeof Priority.Type

const isCalendarDate = (text: string) =>
  /^[1-9]\d{3}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(text)) &&
  // `Date.parse` takes 30 February for 2 March.
  new Date(text).toISOString().startsWith(text)

export const CalendarDate = Schema.String.check(
  Schema.makeFilter(isCalendarDate, {
    message: "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
  })
)

export const Instant = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/.test(text) &&
      !Number.isNaN(Date.parse(text)) &&
      isCalendarDate(text.slice(0, 10)),
    { message: "Expected a time such as 2026-11-24T10:11:12.123456Z" }
  )
)

export const StateGroup = Schema.Literals(["backlog", "unstarted", "started", "completed", "cancelled"])

export const Role = Schema.Literals([20, 15, 5])
