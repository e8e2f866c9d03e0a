import { createHash } from "node:crypto"
import { Option, Redacted } from "effect"
import {
  base62,
  checksum,
  checksumLength,
  holdsSecret,
  prefixes,
  secretLength,
  type TokenKind,
  withoutSecrets
} from "./tokenForm.ts"

export { holdsSecret, type TokenKind, withoutSecrets }

/**
 * Tokens: a prefix, 43 base62 characters of secret (256 bits), 6 base62 characters of CRC-32 over all
 * that stands before them. The form is GitHub's: a prefix that scanners recognise, and a checksum that
 * tells a mistyped or made-up token from a real one without a look at the database.
 *
 * The prefix says what it is for: `ndcat_` an agent token, `ndcao_` the access token of a login, both
 * good as a bearer; `ndcar_` the refresh token of a login, good at the token endpoint and nowhere else.
 */
export type Token = Redacted.Redacted<string>

const kinds = Object.keys(prefixes) as ReadonlyArray<TokenKind>

const labels: Readonly<Record<TokenKind, string>> = {
  agent: "agent token",
  access: "access token",
  refresh: "refresh token"
}

/** 62⁴³ is a little more than 2²⁵⁶, so 32 random bytes always fit. */
export const fromBytes = (bytes: Uint8Array, kind: TokenKind = "agent"): Token => {
  const secret = base62(BigInt(`0x${Buffer.from(bytes).toString("hex")}`), secretLength)
  const body = prefixes[kind] + secret
  return Redacted.make(body + checksum(body), { label: labels[kind] })
}

const rest = new RegExp(`^[0-9A-Za-z]{${secretLength + checksumLength}}$`)

const kindIn = (text: string): TokenKind | undefined => kinds.find((kind) => text.startsWith(prefixes[kind]))

/** What a token is for, by its prefix. */
export const kindOf = (token: Token): TokenKind => kindIn(Redacted.value(token)) ?? "agent"

/** Any token of ours of the right form with the right checksum; none for anything else. */
export const parseAny = (text: string): Option.Option<Token> => {
  const kind = kindIn(text)
  if (kind === undefined || !rest.test(text.slice(prefixes[kind].length))) return Option.none()
  const body = text.slice(0, -checksumLength)
  return checksum(body) === text.slice(-checksumLength)
    ? Option.some(Redacted.make(text, { label: labels[kind] }))
    : Option.none()
}

/** A token that is good as a bearer: an agent token or an access token, never a refresh token. */
export const parse = (text: string): Option.Option<Token> =>
  Option.filter(parseAny(text), (token) => kindOf(token) !== "refresh")

/**
 * What is stored and looked up. Plain SHA-256 is right for a secret of 256 bits (OWASP ASVS 5,
 * 11.4.1 asks for a slow hash only where a secret can be guessed); comparing is the index's work on
 * the hash, so its timing tells nothing about the token.
 */
export const hash = (token: Token): Uint8Array => createHash("sha256").update(Redacted.value(token)).digest()

/** Whether any text or key within a JSON value holds a secret of ours; the path of the first that does. */
export const findSecret = (
  value: unknown,
  path: ReadonlyArray<string | number> = []
): Option.Option<ReadonlyArray<string | number>> => {
  if (typeof value === "string") return holdsSecret(value) ? Option.some(path) : Option.none()
  if (typeof value !== "object" || value === null) return Option.none()
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
  for (const [key, item] of entries) {
    if (typeof key === "string" && holdsSecret(key)) return Option.some(path)
    const found = findSecret(item, [...path, key])
    if (Option.isSome(found)) return found
  }
  return Option.none()
}
