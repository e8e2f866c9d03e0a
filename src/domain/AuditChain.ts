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

/** What stands for an event in the chain: SHA-256 of its canonical JSON (RFC 8785), as it is shown. */
export const eventHash = (event: AuditEvent): Digest => sha256(canonicalJson(event))

const linkDomain = Buffer.from("nodedc-audit/link/v1\0")

/**
 * The link of an event: SHA-256 over the words `nodedc-audit/link/v1` and a zero byte, the link before
 * it, its sequence number in eight bytes (big-endian), its hash. Every part has a fixed length, so no two
 * chains read alike.
 */
export const linkOf = (previous: Digest, sequence: number, hash: Digest): Digest => {
  const text = Buffer.allocUnsafe(linkDomain.length + 72)
  const at = linkDomain.copy(text)
  text.set(previous, at)
  text.writeBigUInt64BE(BigInt(sequence), at + 32)
  text.set(hash, at + 40)
  return sha256(text)
}

/**
 * The trail up to and including the event `sequence`, signed. `at` is when it was sealed, by the
 * database's clock, and never before the checkpoint before it.
 */
export const Checkpoint = Schema.Struct({
  sequence: Sequence,
  link: Hex32,
  at: Instant,
  /** Which key signed; derived from its public half. */
  key_id: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  /** Ed25519 (RFC 8032), in hexadecimal digits. */
  signature: Schema.String.check(Schema.isPattern(/^[0-9a-f]{128}$/))
}).annotate({ identifier: "Checkpoint" })
export type Checkpoint = typeof Checkpoint.Type

/** What a checkpoint's signature is over: the words `nodedc-audit/checkpoint/v1`, a zero byte, the rest of it in canonical JSON. */
export const checkpointText = ({ at, key_id, link, sequence }: Omit<Checkpoint, "signature">): Uint8Array =>
  Buffer.from(`nodedc-audit/checkpoint/v1\0${canonicalJson({ at, key_id, link, sequence })}`)
