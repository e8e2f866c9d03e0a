import type { InputInvalid } from "../domain/Failure.ts"
import { secretIn as secretWithin } from "../domain/inputs.ts"
import type { Write } from "../domain/Write.ts"
import { stripInvisible } from "../text/PlainText.ts"
import { wordsOf } from "../text/TaskerHtml.ts"

/**
 * A token can be spelled in Markdown so that no argument holds it and the card still would: with
 * escapes, character references, emphasis or invisible characters between. So what is about to be sent
 * is looked at once more, as the text that a reader of the card would see and as what lies behind it: where
 * a link leads, its title, a code block's language.
 */
export const secretIn = (write: Write): InputInvalid | undefined => {
  const seen: Record<string, string> = {}
  const fields = write._tag === "UpdateIssue" ? write.fields : write
  if ("name" in fields && fields.name !== undefined) seen.name = stripInvisible(fields.name)
  if ("description_html" in fields && fields.description_html !== undefined) {
    seen.description = textOf(fields.description_html)
  }
  if (write._tag === "AddComment") seen.comment = textOf(write.comment_html)
  return secretWithin(seen)
}

/** Once with tags gone, so that what stood on both sides of one stands together, and once with them. */
const textOf = (html: string): string => stripInvisible(`${wordsOf(html)}\n${html}`)
