import { Option, Schema } from "effect"
import { Checkpoint, type Digest, Sequence } from "./AuditChain.ts"
import { canonicalJson } from "./CanonicalJson.ts"

/**
 * The lines of an exported trail. Each is one JSON object in canonical form (RFC 8785) and ends with a
 * line feed, so that a byte of it can't be changed without a change of what it says. In this order: the
 * trail, its keys, the events in their sequence with the checkpoints right after the events that they
 * reach to, the end.
 */

const hex = (digits: number) => Schema.String.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${digits}}$`)))
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** Says which part of the trail follows. `last` is one less than `first` if nothing does. */
const TrailLine = Schema.Struct({
  type: Schema.Literal("trail"),
  /** The first format has no altered and no oversize events, and no checkpoints of format 2. */
  format: Schema.Literals(["nodedc-audit/2", "nodedc-audit/1"]),
  first: Sequence,
  last: Count,
  /** The link before the first event: of 64 zeros at the beginning of the trail. */
  previous: hex(64)
})
export type TrailLine = typeof TrailLine.Type

/** A public key that signed a checkpoint of this part. */
const KeyLine = Schema.Struct({
  type: Schema.Literal("key"),
  key_id: hex(32),
  public_key: Schema.String
})

const [Chained, Unchained] = Checkpoint.members
const isCheckpoint = { type: Schema.Literal("checkpoint") }
const CheckpointLine = Schema.Union([
  Schema.Struct({ ...isCheckpoint, ...Chained.fields }),
  Schema.Struct({ ...isCheckpoint, ...Unchained.fields })
])

/** A sealed event that can't be written as a line: its digest only. */
const OversizeLine = Schema.Struct({
  type: Schema.Literal("event"),
  oversize: Schema.Literal(true),
  position: Schema.Int.check(Schema.isGreaterThan(0)),
  sequence: Sequence,
  hash: hex(64),
  link: hex(64)
})

/** Shows that nothing was cut off on the way. */
const EndLine = Schema.Struct({ type: Schema.Literal("end"), events: Count, checkpoints: Count })

/** Every line but that of an event with its content. */
const OtherLine = Schema.Union([TrailLine, KeyLine, CheckpointLine, OversizeLine, EndLine])
export type OtherLine = typeof OtherLine.Type

/** An event in the trail. `event` is canonical JSON. */
export interface EventLine {
  readonly event: Uint8Array
  readonly hash: Digest
  readonly link: Digest
  readonly sequence: number
  /** The hash that the event was inserted with, if that was not its own. */
  readonly storedHash?: Digest | undefined
}

/** The longest line that a reader takes, without its line feed. */
export const longestLine = 1024 * 1024

export const writeLine = (line: OtherLine): string => `${canonicalJson(line)}\n`

/** Writes `event` as it is shown, even if it is no longer as it was sealed: a verifier is to find that out. */
export const writeEventLine = (line: Omit<EventLine, "event"> & { readonly event: unknown }): string =>
  `{"event":${canonicalJson(line.event)},"hash":"${asHex(line.hash)}","link":"${asHex(line.link)}",` +
  `"sequence":${line.sequence},` +
  `${line.storedHash === undefined ? "" : `"stored_hash":"${asHex(line.storedHash)}",`}"type":"event"}\n`

export const asHex = (digest: Digest): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex")

const eventHead = Buffer.from('{"event":')
const eventTail =
  /,"hash":"([0-9a-f]{64})","link":"([0-9a-f]{64})","sequence":([1-9]\d{0,15})(?:,"stored_hash":"([0-9a-f]{64})")?,"type":"event"\}$/
const longestTail = 320

/** Longest canonical JSON of an event that fits into a line, in bytes. */
export const longestEvent = longestLine - longestTail - eventHead.length

/** True if a line begins as that of an event with its content does; no other line does. */
export const isEventLine = (line: Buffer): boolean =>
  line.length > eventHead.length && eventHead.equals(line.subarray(0, eventHead.length))

/**
 * Takes an event's line apart, bytes for bytes and without reading the event itself: its hash is over
 * those very bytes.
 */
export const readEventLine = (line: Buffer): EventLine | undefined => {
  const tail = line.toString("latin1", Math.max(eventHead.length, line.length - longestTail))
  const found = eventTail.exec(tail)
  if (found === null) return undefined
  const [{ length }, hash = "", link = "", sequence, storedHash] = found
  return {
    event: line.subarray(eventHead.length, line.length - length),
    hash: Buffer.from(hash, "hex"),
    link: Buffer.from(link, "hex"),
    sequence: Number(sequence),
    ...(storedHash !== undefined && { storedHash: Buffer.from(storedHash, "hex") })
  }
}

const decodeOther = Schema.decodeUnknownOption(OtherLine, { onExcessProperty: "error" })

/** Reads any other line; undefined where it is none, or is not spelled in the one way that it can be. */
export const readOtherLine = (line: Buffer): OtherLine | undefined => {
  try {
    const value: unknown = JSON.parse(line.toString())
    if (!Buffer.from(canonicalJson(value)).equals(line)) return undefined
    return Option.getOrUndefined(decodeOther(value))
  } catch {
    return undefined
  }
}
