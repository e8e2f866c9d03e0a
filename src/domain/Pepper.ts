import { Redacted, Result } from "effect"

/**
 * A key of the gateway's own for hashes of what is too short to be kept under a plain one (OWASP ASVS 5,
 * 11.4): whoever has the database alone can try nothing out. 32 bytes or more.
 */
export type Pepper = Redacted.Redacted<Uint8Array>

const shortest = 32
const expected = `expected ${shortest} bytes or more, in base64 or hex`

/** Reads a pepper from hex or from base64, either alphabet. Fails with what was expected, never with what came. */
export const readPepper = (text: string): Result.Result<Pepper, string> => {
  const bytes = bytesOf(text)
  return bytes !== undefined && bytes.length >= shortest
    ? Result.succeed(Redacted.make(new Uint8Array(bytes), { label: "pairing pepper" }))
    : Result.fail(expected)
}

/** What is all hex digits is hex: as base64 it would be other bytes. */
const bytesOf = (text: string): Buffer | undefined => {
  if (/^([0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, "hex")
  const plain = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "")
  const bytes = Buffer.from(plain, "base64")
  return bytes.toString("base64").replace(/=+$/, "") === plain ? bytes : undefined
}

const placeholder = "replace-with-an-own-pairing-pepper"

/** Whether it is the one of `.env.example`, which everyone knows. */
export const isPlaceholderPepper = (pepper: Pepper): boolean =>
  Buffer.from(Redacted.value(pepper)).toString("utf8") === placeholder
