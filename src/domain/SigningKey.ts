import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { Redacted, Result } from "effect"
import { type ChainedCheckpoint, type Checkpoint, checkpointText } from "./AuditChain.ts"

/** Keys that sign the audit trail: Ed25519 (RFC 8032), private halves in PKCS 8 (RFC 8410), public ones in SPKI. */

/** The public half of a signing key. */
export interface VerifyingKey {
  /** The first 16 bytes of the SHA-256 of the key in DER, in hexadecimal digits. */
  readonly id: string
  /** DER (SubjectPublicKeyInfo) in base64. */
  readonly text: string
  readonly key: KeyObject
}

/** A private key and what is known of its public half. */
export interface SigningKey {
  readonly secret: Redacted.Redacted<KeyObject>
  readonly verifying: VerifyingKey
}

const ed25519 = (read: () => KeyObject, expected: string): Result.Result<KeyObject, string> => {
  try {
    const key = read()
    return key.asymmetricKeyType === "ed25519" ? Result.succeed(key) : Result.fail(expected)
  } catch {
    return Result.fail(expected)
  }
}

/** Base64 in its one canonical spelling, so that no bit of it is without meaning; line ends are let through. */
const fromBase64 = (text: string): Buffer | undefined => {
  const plain = text.replace(/\s+/g, "")
  const bytes = Buffer.from(plain, "base64")
  return bytes.length > 0 && bytes.toString("base64") === plain ? bytes : undefined
}

const isPem = (text: string): boolean => text.startsWith("-----BEGIN ")

/** Environments that hold one line only spell a line end as `\n`. */
const unfolded = (text: string): string => text.replaceAll("\\n", "\n")

const expectedPrivate = "expected an Ed25519 private key: PKCS 8, as PEM or as DER in base64"

/** Reads a private key from PEM or from DER in base64. Fails with what was expected, never with what came. */
export const readSigningKey = (text: string): Result.Result<SigningKey, string> => {
  const der = fromBase64(text)
  if (!isPem(text) && der === undefined) return Result.fail(expectedPrivate)
  return Result.map(
    ed25519(
      () =>
        isPem(text)
          ? createPrivateKey({ key: unfolded(text), format: "pem" })
          : createPrivateKey({ key: der ?? Buffer.alloc(0), format: "der", type: "pkcs8" }),
      expectedPrivate
    ),
    (key) => ({
      secret: Redacted.make(key, { label: "audit signing key" }),
      verifying: verifyingOf(createPublicKey(key))
    })
  )
}

const verifyingOf = (key: KeyObject): VerifyingKey => {
  const der = key.export({ format: "der", type: "spki" })
  const id = createHash("sha256").update(der).digest("hex").slice(0, 32)
  return { id, text: der.toString("base64"), key }
}

const expectedPublic = "expected an Ed25519 public key: SPKI, as PEM or as DER in base64"

/** Reads a public key from PEM or from DER in base64. A private key is refused: it belongs nowhere near a verifier. */
export const readVerifyingKey = (text: string): Result.Result<VerifyingKey, string> => {
  const trimmed = text.trim()
  const der = fromBase64(trimmed)
  if (isPem(trimmed) ? trimmed.includes("PRIVATE KEY") : der === undefined) return Result.fail(expectedPublic)
  return Result.map(
    ed25519(
      () =>
        isPem(trimmed)
          ? createPublicKey({ key: unfolded(trimmed), format: "pem" })
          : createPublicKey({ key: der ?? Buffer.alloc(0), format: "der", type: "spki" }),
      expectedPublic
    ),
    verifyingOf
  )
}

/** Signs a place in the trail. `previous` is the digest of the checkpoint before it. */
export const signCheckpoint = (
  key: SigningKey,
  { at, link, previous, sequence }: Pick<ChainedCheckpoint, "sequence" | "link" | "at" | "previous">
): ChainedCheckpoint => {
  const unsigned = { sequence, link, at, format: 2 as const, previous, key_id: key.verifying.id }
  return {
    ...unsigned,
    signature: sign(null, checkpointText(unsigned), Redacted.value(key.secret)).toString("hex")
  }
}

/** Whether a checkpoint was signed with the private half of this key. */
export const isSignedWith = (key: VerifyingKey, checkpoint: Checkpoint): boolean =>
  checkpoint.key_id === key.id &&
  verify(null, checkpointText(checkpoint), key.key, Buffer.from(checkpoint.signature, "hex"))

/**
 * Whether a key is the one of `.env.example`, which everyone knows: its 32 secret bytes are words, as the
 * other placeholders there are.
 */
export const isPlaceholder = (key: SigningKey): boolean =>
  Redacted.value(key.secret).export({ format: "der", type: "pkcs8" }).includes("replace-with-")
