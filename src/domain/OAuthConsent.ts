import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { Redacted, Schema } from "effect"
import { Uuid } from "./Ids.ts"
import { type AuthorizationCode, fromBytes } from "./OAuthCode.ts"

/** Random, so that none can be named by who was not shown it. */
export const ConsentId = Uuid.pipe(Schema.brand("ConsentId"))
export type ConsentId = typeof ConsentId.Type

/** For how long a consent waits, in seconds. */
export const consentSeconds = 600

/** What a cookie holds: 256 bits that one browser has. */
export type BrowserKey = Redacted.Redacted<string>

export const browserKeyForm = /^[A-Za-z0-9_-]{43}$/

/** What is stored of it. */
export const browserHash = (key: BrowserKey): Uint8Array =>
  createHash("sha256").update(Redacted.value(key)).digest()

/**
 * What a form carries to show that it is of a page that this browser was given: whoever can't read the cookie
 * can't make it, and it is good for one consent (or for one request's first page) alone.
 */
export const formProof = (key: BrowserKey, about: string): string =>
  createHmac("sha256", Redacted.value(key)).update(`form ${about}`).digest("base64url")

/**
 * The authorization code that a consent leads to. It is made of what its browser alone has, so that a button that
 * is pressed twice is answered alike, and nothing is kept that a code could be made of.
 */
export const codeOf = (key: BrowserKey, id: ConsentId): AuthorizationCode =>
  fromBytes(createHmac("sha256", Redacted.value(key)).update(`authorization code ${id}`).digest())

/** Compared in constant time. */
export const isFormProof = (given: string, key: BrowserKey, about: string): boolean => {
  const [one, other] = [Buffer.from(given), Buffer.from(formProof(key, about))]
  return one.length === other.length && timingSafeEqual(one, other)
}
