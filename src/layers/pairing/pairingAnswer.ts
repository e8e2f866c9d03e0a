import { createHash } from "node:crypto"
import { Option, Redacted } from "effect"
import type { PairingCodeId } from "../../domain/PairingCode.ts"
import { parse, type Token } from "../../domain/Token.ts"
import { type SealingKey, seal, unseal } from "../sealedText.ts"

/**
 * A token that a code was redeemed for, kept for a minute so that a client whose reply got lost is given it
 * again. It is sealed under the client's nonce of 256 bits, of which the gateway keeps the hash alone.
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

const keyOf = ({ bytes }: Nonce, id: PairingCodeId): SealingKey => ({
  secret: bytes,
  salt: id,
  purpose: "pairing answer"
})

/** The token under the nonce's key; `iv` are as many random bytes as `ivLength` says. */
export const sealToken = (token: Token, nonce: Nonce, id: PairingCodeId, iv: Uint8Array): Buffer =>
  seal(Redacted.value(token), keyOf(nonce, id), iv)

/** The token again; none under any other nonce. */
export const unsealToken = (wrapped: Uint8Array, nonce: Nonce, id: PairingCodeId): Option.Option<Token> =>
  Option.flatMap(unseal(wrapped, keyOf(nonce, id)), parse)
