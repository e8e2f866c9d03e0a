import { Option, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { InputInvalid } from "../domain/Failure.ts"
import { stripInvisible } from "../domain/PlainText.ts"
import { findSecret, holdsSecret } from "../domain/Token.ts"

/** What the lifecycle API's fields may hold, and how it is said that one does not. */

/** Names are shown to people, who must be able to see all that there is of them. */
const visible = (text: string): boolean =>
  text.isWellFormed() && !/\p{Cc}/u.test(text) && text.trim() !== "" && stripInvisible(text) === text

const printable = Schema.makeFilter(visible, {
  message: "Expected text on one line, without control or invisible characters"
})

/** A line of text of 1 to `longest` characters. */
export const line = (longest: number) =>
  Schema.String.check(
    Schema.isBetweenLength(1, longest, { message: `Expected 1 to ${longest} characters` }),
    printable
  )

export const email = Schema.String.check(
  Schema.isMaxLength(254, { message: "Expected 254 characters or fewer" }),
  Schema.isPattern(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, { message: "Expected an e-mail address" })
)

export const workspaceSlug = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 characters of A-Z a-z 0-9 _ -" })
)

const instantForm =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/

/** `Date.parse` takes 30 February for 2 March, so the fields are looked at one by one. */
const exists = (text: string): boolean => {
  const [year, month, day, hour, minute, second] = (instantForm.exec(text) ?? []).slice(1).map(Number)
  if (year === undefined || month === undefined || day === undefined) return false
  const date = new Date(Date.UTC(year, month - 1, day))
  return (
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    (hour ?? 24) < 24 &&
    (minute ?? 60) < 60 &&
    (second ?? 60) < 60
  )
}

/** An instant with its offset (RFC 3339), kept as ISO 8601 in UTC. */
export const instant = Schema.String.check(
  Schema.makeFilter(exists, { message: "Expected an instant such as 2027-01-31T12:00:00Z" })
).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({ decode: (text) => new Date(text).toISOString(), encode: (text) => text })
  )
)

/** The secret in a value, if there is one. The place is named, the value never. */
export const secretIn = (value: unknown): InputInvalid | undefined => {
  const found = Option.getOrUndefined(findSecret(value))
  return found === undefined ? undefined : holdsToken(found.join("."))
}

const holdsToken = (path: string): InputInvalid =>
  new InputInvalid({
    reason: "holds_secret",
    message: `${path === "" ? "A name in the request" : path} holds an agent token. Nothing was stored. Take it out, and revoke that token.`,
    details: { path }
  })

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "Expected a value: it is required"
    return issue._tag === "UnexpectedKey" ? "There is no such field" : SchemaIssue.defaultLeafHook(issue)
  }
})

/** Says of each field at fault what was expected, and never repeats a value; names of fields are the caller's own. */
export const invalid = (error: Schema.SchemaError): InputInvalid => {
  const errors = format(error.issue).issues.map(({ message, path }) => ({
    path: (path ?? []).map(String).join("."),
    message
  }))
  if (errors.some(({ path }) => holdsSecret(path))) return holdsToken("")
  const said = errors.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`)).join("; ")
  return new InputInvalid({
    reason: "invalid",
    message: `The request is not valid: ${said}. Nothing was changed.`,
    details: { errors }
  })
}
