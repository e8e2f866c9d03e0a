import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto"
import { Option, Redacted } from "effect"

/**
 * A text that only who holds a secret of 256 bits can read again: AES-256-GCM under a key that HKDF (RFC 5869)
 * makes of the secret. The gateway keeps the secret's hash alone, so neither it nor whoever has its database can
 * open what it kept.
 */
export interface SealingKey {
  readonly secret: Redacted.Redacted<string | Uint8Array>
  /** The id of the row that it is kept in: the same secret seals nothing else with the same key. */
  readonly salt: string
  readonly purpose: string
}

export const ivLength = 12
const tagLength = 16

const derived = ({ purpose, salt, secret }: SealingKey): Buffer =>
  Buffer.from(hkdfSync("sha256", Redacted.value(secret), salt, `tasker-codex-api ${purpose}`, 32))

/** `iv` are as many fresh random bytes as `ivLength` says. */
export const seal = (text: string, key: SealingKey, iv: Uint8Array): Buffer => {
  const cipher = createCipheriv("aes-256-gcm", derived(key), iv)
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed])
}

/** The text again; none under any other key, or where a byte of it is another. */
export const unseal = (sealed: Uint8Array, key: SealingKey): Option.Option<string> => {
  const bytes = Buffer.from(sealed)
  const decipher = createDecipheriv("aes-256-gcm", derived(key), bytes.subarray(0, ivLength))
  decipher.setAuthTag(bytes.subarray(ivLength, ivLength + tagLength))
  try {
    return Option.some(
      Buffer.concat([decipher.update(bytes.subarray(ivLength + tagLength)), decipher.final()]).toString()
    )
  } catch {
    return Option.none()
  }
}
