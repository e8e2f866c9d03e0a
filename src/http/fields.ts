import { Schema, SchemaTransformation } from "effect"
import { isInstant } from "../domain/inputs.ts"
import { stripInvisible } from "../text/PlainText.ts"

/** What the headers and fields of the HTTP API may hold. */

export const keyHeader = "idempotency-key"

/** Names are shown to people, who must be able to see all that there is of them. */
const visible = (text: string): boolean =>
  text.isWellFormed() && !/\p{Cc}/u.test(text) && text.trim() !== "" && stripInvisible(text) === text

const printable = Schema.makeFilter(visible, {
  message: "Expected text on one line, without control or invisible characters"
})

/** A line of text of 1 to `longest` characters. */
export const line = (longest: number) =>
  Schema.String.check(
    Schema.isBetweenCodePoints(1, longest, { message: `Expected 1 to ${longest} characters` }),
    printable
  )

export const email = Schema.String.check(
  Schema.isMaxLength(254, { message: "Expected 254 characters or fewer" }),
  Schema.isPattern(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, { message: "Expected an e-mail address" }),
  printable
)

export const workspaceSlug = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 characters of A-Z a-z 0-9 _ -" })
)

/** An instant with its offset (RFC 3339), kept as ISO 8601 in UTC. */
export const instant = Schema.String.check(
  Schema.makeFilter(isInstant, { message: "Expected an instant such as 2027-01-31T12:00:00Z" })
).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({ decode: (text) => new Date(text).toISOString(), encode: (text) => text })
  )
)
