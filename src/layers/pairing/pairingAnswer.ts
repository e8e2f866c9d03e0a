import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto"
import { Option, Redacted } from "effect"
import type { PairingCodeId } from "../../domain/PairingCode.ts"
import { parse, type Token } from "../../domain/Token.ts"

/**
 * A token that a code was redeemed for, kept for a minute so that a client whose reply got lost is given it
 * again. It is sealed with AES-256-GCM under a key that HKDF (RFC 5869) makes of the client's nonce of 256 bits:
 * the gateway keeps the nonce's hash alone, so neither it nor whoever has its database can open it.
 */
export interface Nonce {
  readonly bytes: Redacted.Redacted<Buffer>
  readonly hash: Buffer
}

/** 256 bits as 43 characters of base64url or 64 of hex; none for anything else. */
export const readNonce = (text: string): Option.Option<Nonce> => {
  const bytes = /^[0-9a-fA-F]{64}$/.test(text)
    ? Buffer.from(text, "hex")
    : /^[A-Za-z0-9_-]{43}$/.test(text)
      ? Buffer.from(text, "base64url")
      : undefined
  return bytes === undefined
    ? Option.none()
    : Option.some({
        bytes: Redacted.make(bytes, { label: "nonce" }),
        hash: createHash("sha256").update(bytes).digest()
      })
}

const keyOf = ({ bytes }: Nonce, id: PairingCodeId): Buffer =>
  Buffer.from(hkdfSync("sha256", Redacted.value(bytes), id, "tasker-codex-api pairing answer", 32))

export const ivLength = 12
const tagLength = 16

/** The token under the nonce's key; `iv` are as many random bytes as `ivLength` says. */
export const seal = (token: Token, nonce: Nonce, id: PairingCodeId, iv: Uint8Array): Buffer => {
  const cipher = createCipheriv("aes-256-gcm", keyOf(nonce, id), iv)
  const sealed = Buffer.concat([cipher.update(Redacted.value(token), "utf8"), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed])
}

/** The token again; none under any other nonce. */
export const unseal = (wrapped: Uint8Array, nonce: Nonce, id: PairingCodeId): Option.Option<Token> => {
  const bytes = Buffer.from(wrapped)
  const decipher = createDecipheriv("aes-256-gcm", keyOf(nonce, id), bytes.subarray(0, ivLength))
  decipher.setAuthTag(bytes.subarray(ivLength, ivLength + tagLength))
  try {
    const opened = Buffer.concat([decipher.update(bytes.subarray(ivLength + tagLength)), decipher.final()])
    return parse(opened.toString("utf8"))
  } catch {
    return Option.none()
  }
}
