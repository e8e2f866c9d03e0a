import { Option, Schema, SchemaIssue } from "effect"
import { InputInvalid } from "./Failure.ts"
import { findSecret, holdsSecret } from "./Token.ts"

/** What inputs may hold, whoever's they are, and how it is said that one does not. */

/** Text that can be stored and sent anywhere: no NUL, no half of a surrogate pair. */
export const wholesome = Schema.makeFilter(
  (text: string) => text.isWellFormed() && !text.includes("\u0000"),
  {
    message: "Expected text without NUL and without lone surrogates"
  }
)

export const isCalendarDate = (value: string): boolean => {
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) return false
  const date = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value)
}

const instantForm =
  /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/

/**
 * Whether a text is an instant with its offset (RFC 3339) on a day that exists, in UTC too: an offset can
 * lead out of the four-digit years, where neither ISO 8601 nor PostgreSQL follows.
 */
export const isInstant = (value: string): boolean => {
  const year = new Date(value).getUTCFullYear()
  return isCalendarDate(instantForm.exec(value)?.[1] ?? "") && year >= 1 && year <= 9999
}

/** The secret of ours in a value, if there is one. The place is named, the value never. */
export const secretIn = (value: unknown): InputInvalid | undefined => {
  const found = Option.getOrUndefined(findSecret(value))
  return found === undefined ? undefined : holdsToken(found.join("."))
}

export const holdsToken = (path: string): InputInvalid =>
  new InputInvalid({
    reason: "holds_secret",
    message: `${path === "" ? "A name in the request" : path} holds an agent token. It was neither stored nor sent on. Take it out, and have that token revoked.`,
    details: { path }
  })

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "Expected a value: it is required"
    return issue._tag === "UnexpectedKey" ? "There is no such field" : SchemaIssue.defaultLeafHook(issue)
  }
})

/** As many faults as help; a request may have thousands. */
const shownFaults = 20
const shownPath = 100

/** Says of each field at fault what was expected, and never repeats a value; names of fields are the caller's own. */
export const invalid = (error: Schema.SchemaError): InputInvalid => {
  const issues = format(error.issue).issues
  const errors = issues.slice(0, shownFaults).map(({ message, path }) => ({
    path: (path ?? []).map(String).join(".").slice(0, shownPath),
    message
  }))
  if (errors.some(({ path }) => holdsSecret(path))) return holdsToken("")
  const said = errors.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`)).join("; ")
  const more = issues.length > errors.length ? `; and ${issues.length - errors.length} more` : ""
  return new InputInvalid({
    reason: "invalid",
    message: `The arguments are not valid: ${said}${more}. Nothing was changed.`,
    details: { errors }
  })
}

/** An input that is well-formed field by field and still can't be carried out as it is. */
export const invalidInput = (path: string, message: string): InputInvalid =>
  new InputInvalid({
    reason: "invalid",
    message: `${path === "" ? "" : `${path}: `}${message} Nothing was changed.`,
    details: { errors: [{ path, message }] }
  })
