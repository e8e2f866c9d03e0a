import { stripInvisible } from "../text/PlainText.ts"

const longest = 128

/**
 * A client's own name for itself as it is kept and shown: one line without what can't be seen, of at most 128
 * characters; undefined where nothing is left. What a name makes believe is the pages' matter, not this one's.
 */
export const clientNameOf = (text: string): string | undefined => {
  const seen = stripInvisible(text).replace(/\s+/gu, " ").trim()
  const name = [...seen].slice(0, longest).join("").trim()
  return name === "" ? undefined : name
}
