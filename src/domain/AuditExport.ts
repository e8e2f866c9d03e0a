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

/** Which part of the trail follows. `last` is one less than `first` where nothing does. */
const TrailLine = Schema.Struct({
  type: Schema.Literal("trail"),
  format: Schema.Literal("nodedc-audit/1"),
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

const CheckpointLine = Schema.Struct({ type: Schema.Literal("checkpoint"), ...Checkpoint.fields })

/** Shows that nothing was cut off on the way. */
const EndLine = Schema.Struct({ type: Schema.Literal("end"), events: Count, checkpoints: Count })

/** Every line but an event's. */
const OtherLine = Schema.Union([TrailLine, KeyLine, CheckpointLine, EndLine])
export type OtherLine = typeof OtherLine.Type

/** An event in the trail. `event` is canonical JSON. */
export interface EventLine {
  readonly event: Uint8Array
  readonly hash: Digest
  readonly link: Digest
  readonly sequence: number
}

export const writeLine = (line: OtherLine): string => `${canonicalJson(line)}\n`

/** `event` as it is shown, whatever has become of it: a verifier is to see what was changed. */
export const writeEventLine = (line: Omit<EventLine, "event"> & { readonly event: unknown }): string =>
  `{"event":${canonicalJson(line.event)},"hash":"${asHex(line.hash)}","link":"${asHex(line.link)}",` +
  `"sequence":${line.sequence},"type":"event"}\n`

export const asHex = (digest: Digest): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex")

const eventHead = Buffer.from('{"event":')
const eventTail =
  /,"hash":"([0-9a-f]{64})","link":"([0-9a-f]{64})","sequence":([1-9]\d{0,15}),"type":"event"\}$/
const longestTail = 256

/** Whether a line is meant to be an event's: no other begins so. */
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
  const [{ length }, hash = "", link = "", sequence] = found
  return {
    event: line.subarray(eventHead.length, line.length - length),
    hash: Buffer.from(hash, "hex"),
    link: Buffer.from(link, "hex"),
    sequence: Number(sequence)
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
