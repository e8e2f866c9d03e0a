import { hash as digestOf } from "node:crypto"
import { Schema } from "effect"
import type { AuditEvent } from "./AuditEvent.ts"
import { canonicalJson } from "./CanonicalJson.ts"
import { Instant } from "./Principal.ts"

/**
 * What binds the audit trail together. Every sealed event has a sequence number, counted from 1 without
 * gaps, and a link, which stands for it and for everything before it. A checkpoint is a link that was
 * signed. `docs/AUDIT.md` says it all for those who verify with programs of their own.
 */

/** SHA-256, 32 bytes. */
export type Digest = Uint8Array

/** SHA-256 as it goes over the wire: 64 hexadecimal digits in lower case. */
const Hex32 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/** A place in the trail. Whole, and exact in every JSON reader. */
export const Sequence = Schema.Int.check(
  Schema.isBetween(
    { minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    { message: "Expected a sequence number" }
  )
)

/** The link before the first event. */
export const beginning: Digest = new Uint8Array(32)

export const sha256 = (text: string | Uint8Array): Digest => digestOf("sha256", text, "buffer")

/** Stands for an event in the chain: SHA-256 of its canonical JSON (RFC 8785), as it is shown. */
export const eventHash = (event: AuditEvent): Digest => sha256(canonicalJson(event))

/**
 * Set on the seal of an event that is not as the gateway writes events: it was inserted with another hash than
 * its own, or can't be written as a line of an export.
 */
export type Irregular =
  | { readonly storedHash: Digest; readonly oversizeAt?: never }
  | {
      /** The row's position in `audit_events`. */
      readonly oversizeAt: number
      readonly storedHash?: never
    }

const domains = {
  regular: Buffer.from("nodedc-audit/link/v1\0"),
  altered: Buffer.from("nodedc-audit/altered/v1\0"),
  oversize: Buffer.from("nodedc-audit/oversize/v1\0")
}

/**
 * The link of an event: SHA-256 over one of three words and a zero byte, the link before it, its sequence
 * number in eight bytes (big-endian) and its hash; then the stored hash, or the position in eight bytes, if
 * the seal has one. The word says which. Every part has a fixed length, so no two chains read alike.
 */
export const linkOf = (previous: Digest, sequence: number, hash: Digest, irregular?: Irregular): Digest => {
  const domain =
    irregular === undefined
      ? domains.regular
      : irregular.storedHash === undefined
        ? domains.oversize
        : domains.altered
  const text = Buffer.alloc(
    domain.length + 72 + (irregular === undefined ? 0 : (irregular.storedHash?.length ?? 8))
  )
  const at = domain.copy(text)
  text.set(previous, at)
  text.writeBigUInt64BE(BigInt(sequence), at + 32)
  text.set(hash, at + 40)
  if (irregular?.storedHash !== undefined) text.set(irregular.storedHash, at + 72)
  if (irregular?.oversizeAt !== undefined) text.writeBigUInt64BE(BigInt(irregular.oversizeAt), at + 72)
  return sha256(text)
}

const signed = {
  sequence: Sequence,
  link: Hex32,
  at: Instant,
  /** Derived from the public half of the key that signed. */
  key_id: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  /** Ed25519 (RFC 8032), in hexadecimal digits. */
  signature: Schema.String.check(Schema.isPattern(/^[0-9a-f]{128}$/))
}

/** Format 2: names the checkpoint before it, so that none between two others can be removed. */
const Chained = Schema.Struct({
  ...signed,
  format: Schema.Literal(2),
  /** `checkpointDigest` of the checkpoint before, 64 zeros if there is none. */
  previous: Hex32
})
export type ChainedCheckpoint = typeof Chained.Type

/** Format 1, written before checkpoints were chained. */
const Unchained = Schema.Struct(signed)

/**
 * The trail up to and including the event `sequence`, signed. `at` is when it was sealed, by the
 * database's clock, and never before the checkpoint before it.
 */
export const Checkpoint = Schema.Union([Chained, Unchained]).annotate({ identifier: "Checkpoint" })
export type Checkpoint = typeof Checkpoint.Type

type Unsigned<C> = C extends unknown ? Omit<C, "signature"> : never

/** The digest of the checkpoint before the first one. */
export const noCheckpoint = "0".repeat(64)

export const isChained = (checkpoint: Unsigned<Checkpoint>): checkpoint is Unsigned<ChainedCheckpoint> =>
  "format" in checkpoint

/** The bytes that a checkpoint's signature is over: a word for its format, a zero byte, the rest of it in canonical JSON. */
export const checkpointText = (checkpoint: Unsigned<Checkpoint>): Uint8Array => {
  const { at, key_id, link, sequence } = checkpoint
  return isChained(checkpoint)
    ? Buffer.from(
        `nodedc-audit/checkpoint/v2\0${canonicalJson({ at, format: 2, key_id, link, previous: checkpoint.previous, sequence })}`
      )
    : Buffer.from(`nodedc-audit/checkpoint/v1\0${canonicalJson({ at, key_id, link, sequence })}`)
}

/** SHA-256 of a checkpoint's canonical JSON, its signature included, in hexadecimal digits. */
export const checkpointDigest = (checkpoint: Checkpoint): string => {
  const { at, key_id, link, sequence, signature } = checkpoint
  const shown = isChained(checkpoint)
    ? { at, format: 2, key_id, link, previous: checkpoint.previous, sequence, signature }
    : { at, key_id, link, sequence, signature }
  return Buffer.from(sha256(canonicalJson(shown))).toString("hex")
}
