import { createHash } from "node:crypto"
import { Option, Redacted } from "effect"

/**
 * Authorization codes: 256 random bits, good once and for a minute (RFC 6749 section 4.1.2 allows ten at most).
 * One is no token and never a bearer, so it has neither prefix nor checksum.
 */
export type AuthorizationCode = Redacted.Redacted<string>

/** For how long a code is good, in seconds. */
export const codeSeconds = 60

export const fromBytes = (bytes: Uint8Array): AuthorizationCode =>
  Redacted.make(Buffer.from(bytes).toString("base64url"), { label: "authorization code" })

export const parse = (text: string): Option.Option<AuthorizationCode> =>
  /^[A-Za-z0-9_-]{43}$/.test(text)
    ? Option.some(Redacted.make(text, { label: "authorization code" }))
    : Option.none()

/** What is stored and looked up; plain SHA-256, as for tokens. */
export const hash = (code: AuthorizationCode): Uint8Array =>
  createHash("sha256").update(Redacted.value(code)).digest()
