import { Effect } from "effect"
import type { InputInvalid } from "../domain/Failure.ts"
import { holdsToken, secretIn as secretWithin } from "../domain/inputs.ts"
import type { Write } from "../domain/Write.ts"
import type { AgentTexts } from "../services/Texts.ts"
import { stripInvisible } from "../text/PlainText.ts"

/**
 * A token can be spelled in Markdown so that no argument holds it and the card still would: with
 * escapes, character references, emphasis or invisible characters between. So what is about to be sent
 * is looked at once more, as the text that a reader of the card would see and as what lies behind it: where
 * a link leads, its title, a code block's language.
 */
export const secretIn = Effect.fnUntraced(function* <E>(
  write: Write,
  texts: AgentTexts<E>
): Effect.fn.Return<InputInvalid | undefined, E> {
  const fields = write._tag === "UpdateIssue" ? write.fields : write
  if ("name" in fields && fields.name !== undefined) {
    const found = secretWithin({ name: stripInvisible(fields.name) })
    if (found !== undefined) return found
  }
  if ("description_html" in fields && fields.description_html !== undefined) {
    if (yield* texts.holdsSecret(fields.description_html)) return holdsToken("description")
  }
  if (write._tag === "AddComment" && (yield* texts.holdsSecret(write.comment_html)))
    return holdsToken("comment")
  return undefined
})
