import { createHmac } from "node:crypto"
import { Option, Redacted, Schema } from "effect"
import { AgentId, TokenId, Uuid } from "./Ids.ts"
import type { Pepper } from "./Pepper.ts"
import { Instant } from "./Principal.ts"

/**
 * Pairing codes: `XXXX-XXXX-XXXX`, twelve letters of an alphabet without vowels, so that none spells a word,
 * and without what is taken for a digit (RFC 8628 section 6.1). A person types one; 20¹² is some 2⁵¹·⁹, far less
 * than a token holds, so a code lives ten minutes, is good once, is kept under a keyed hash, and wrong tries are
 * counted over all instances (`domain/Guessing.ts`).
 */
export type PairingCode = Redacted.Redacted<string>

export const PairingCodeId = Uuid.pipe(Schema.brand("PairingCodeId"))
export type PairingCodeId = typeof PairingCodeId.Type

export const alphabet = "BCDFGHJKLMNPQRSTVWXZ"
export const length = 12

/** For how long a code is good, in seconds. */
export const lifeSeconds = 600
/** How many codes of one agent may be pending at a time. */
export const mostPending = 3
/** How many codes of all agents of one owner may be pending at a time: guesses are charged for each. */
export const mostPendingOfOwner = 30
/** How many wrong confirmations a code outlives: at the fifth it is locked. */
export const mostFailed = 5

const spelled = (letters: string): PairingCode =>
  Redacted.make(letters.replace(/(.{4})(?=.)/g, "$1-"), { label: "pairing code" })

/**
 * A code from random bytes: each byte below 240 is a letter, the others are passed over, so that every letter
 * is as likely as the next. None where too few bytes are left, which with 32 happens once in 10¹⁷ times.
 */
export const fromBytes = (bytes: Uint8Array): Option.Option<PairingCode> => {
  const fair = 256 - (256 % alphabet.length)
  const letters = [...bytes].filter((byte) => byte < fair).map((byte) => alphabet[byte % alphabet.length])
  return letters.length < length ? Option.none() : Option.some(spelled(letters.slice(0, length).join("")))
}

const form = new RegExp(`^[${alphabet}${alphabet.toLowerCase()}]{${length}}$`)

/** A code as a person types it, without regard to case and to what parts its letters; none for anything else. */
export const parse = (text: string): Option.Option<PairingCode> => {
  if (text.length > 64) return Option.none()
  const letters = text.replace(/[\s\p{Pd}\p{Cf}_.:/]/gu, "")
  return form.test(letters) ? Option.some(spelled(letters.toUpperCase())) : Option.none()
}

/** What is stored and looked up: HMAC-SHA-256 under the pepper, which is not in the database. */
export const hash = (code: PairingCode, pepper: Pepper): Uint8Array =>
  createHmac("sha256", Redacted.value(pepper))
    .update(`pairing code ${Redacted.value(code)}`)
    .digest()

export const PairingStatus = Schema.Literals(["pending", "used", "expired", "cancelled", "locked"])
export type PairingStatus = typeof PairingStatus.Type

/** A code as it is shown after it was made: never the code, never its hash. */
export const PairingCodeInfo = Schema.Struct({
  id: PairingCodeId,
  agent_id: AgentId,
  name: Schema.NullOr(Schema.String),
  status: PairingStatus,
  created_at: Instant,
  expires_at: Instant,
  /** By what it was used: the client's own name for itself, its address, and the token that it got. */
  used: Schema.NullOr(
    Schema.Struct({ at: Instant, client_name: Schema.String, address: Schema.String, token_id: TokenId })
  ),
  /** Tries of the code after it was used, which were refused: somebody else may have seen it. */
  refused_after_use: Schema.Struct({ count: Schema.Int, last_at: Schema.NullOr(Instant) })
}).annotate({ identifier: "PairingCode" })
export type PairingCodeInfo = typeof PairingCodeInfo.Type
