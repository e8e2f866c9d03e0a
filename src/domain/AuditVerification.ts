import { Schema } from "effect"
import { type Checkpoint, type Digest, linkOf, sha256 } from "./AuditChain.ts"
import { asHex, type EventLine, isEventLine, readEventLine, readOtherLine } from "./AuditExport.ts"
import { isSignedWith, readVerifyingKey, type VerifyingKey } from "./SigningKey.ts"

/** Where the trail stops being the one that was sealed. Names the first place; what follows was not looked at. */
export class AuditFault extends Schema.TaggedError<AuditFault>()("AuditFault", {
  /** The line of the export, from 1; undefined where the fault is that there are no more. */
  line: Schema.UndefinedOr(Schema.Int),
  message: Schema.String
}) {}

/** What the verifier was given that did not come with the export. */
export interface KeptElsewhere {
  /** Keys that signed: all of them, where they were changed in time. */
  readonly keys: ReadonlyArray<VerifyingKey>
  readonly checkpoint: Checkpoint | undefined
}

/** What was proven of an export. */
export interface Verified {
  readonly first: number
  readonly last: number
  /** Whether the signatures were held against keys that were kept elsewhere. */
  readonly signer: "checked" | "not checked"
  /** Ids of keys that signed too and are none of those, where there are any of both. */
  readonly others?: ReadonlyArray<string>
}

/** Is given the lines of an export one after the other, without their line feeds. Keeps nothing of them. */
export interface Verification {
  /** Fails at the first line that is not as it must be. Nothing may be given after that. */
  readonly line: (line: Buffer) => AuditFault | undefined
  /** After the last line: what was proven, or what is missing. */
  readonly end: () => Verified | AuditFault
}

const same = (one: Digest, other: Digest): boolean => Buffer.compare(one, other) === 0

const range = (first: number, last: number): string =>
  first === last ? `event ${first} is` : `events ${first} to ${last} are`

export const makeVerification = (kept: KeptElsewhere): Verification => {
  const keys = new Map<string, VerifyingKey>()
  const unused = new Set<string>()
  const trusted = new Set(kept.keys.map(({ id }) => id))
  let expects: "trail" | "keys" | "events" | "nothing" = "trail"
  let number = 0
  let part = { first: 1, last: 0 }
  let sequence = 0
  let link: Digest = new Uint8Array(0)
  let checkpoints = 0
  /** The last event that a checkpoint stands for; one by a trusted key. */
  let signed = 0
  let trustedUpTo = 0

  const fault = (message: string) => new AuditFault({ line: number, message })

  /** Holds the trail against the checkpoint that was kept elsewhere, where it is of this very event. */
  const pin = (): AuditFault | undefined =>
    kept.checkpoint?.sequence !== sequence || kept.checkpoint.link === asHex(link)
      ? undefined
      : fault(
          `sequence ${sequence}: the trail up to here is not the one of the checkpoint that was kept elsewhere`
        )

  const event = (line: EventLine | undefined): AuditFault | undefined => {
    const expected = sequence + 1
    if (line === undefined)
      return fault(`sequence ${expected}: this line was changed: it is no event's any more`)
    if (line.sequence > expected) {
      return fault(
        `sequence ${expected}: ${range(expected, line.sequence - 1)} missing here: removed, or put elsewhere`
      )
    }
    if (line.sequence < expected) {
      return fault(
        `sequence ${line.sequence}: this event comes after event ${sequence}: inserted, or not in its place`
      )
    }
    if (expected > part.last)
      return fault(`sequence ${expected}: this event was added: the part ends before it`)
    if (!same(sha256(line.event), line.hash)) {
      return fault(`sequence ${expected}: this event was changed: its hash is another`)
    }
    const next = linkOf(link, expected, line.hash)
    if (!same(next, line.link)) {
      return fault(
        `sequence ${expected}: the chain breaks here: this event was changed or inserted, or one before it was changed or removed`
      )
    }
    sequence = expected
    link = next
    return pin()
  }

  const checkpoint = (line: Checkpoint): AuditFault | undefined => {
    const where = `the checkpoint of sequence ${line.sequence}`
    if (line.sequence !== sequence || line.sequence <= signed) {
      return fault(
        `sequence ${Math.min(line.sequence, sequence + 1)}: ${where} stands after event ${sequence}: removed, inserted or not in its place`
      )
    }
    if (line.link !== asHex(link)) {
      return fault(
        `sequence ${signed + 1}: one of the events from ${signed + 1} to ${sequence} was changed, inserted or removed: ${where} says another link`
      )
    }
    const key = keys.get(line.key_id)
    if (key === undefined)
      return fault(`sequence ${sequence}: the key of ${where} is missing: removed or changed`)
    if (!isSignedWith(key, line)) return fault(`sequence ${sequence}: the signature of ${where} is not good`)
    unused.delete(line.key_id)
    checkpoints++
    signed = sequence
    if (trusted.has(line.key_id)) trustedUpTo = sequence
    return undefined
  }

  const key = (line: { readonly key_id: string; readonly public_key: string }): AuditFault | undefined => {
    const read = readVerifyingKey(line.public_key)
    if (read._tag === "Failure" || read.success.id !== line.key_id || read.success.text !== line.public_key) {
      return fault(`the key ${line.key_id} was changed: its id is another's`)
    }
    if (keys.has(line.key_id)) return fault(`the key ${line.key_id} comes twice`)
    keys.set(line.key_id, read.success)
    unused.add(line.key_id)
    return undefined
  }

  const ending = (line: {
    readonly events: number
    readonly checkpoints: number
  }): AuditFault | undefined => {
    expects = "nothing"
    const events = sequence - part.first + 1
    if (sequence !== part.last) {
      return fault(`sequence ${sequence + 1}: ${range(sequence + 1, part.last)} missing at the end`)
    }
    if (signed !== sequence) {
      return fault(`sequence ${signed + 1}: the checkpoint of sequence ${sequence} is missing at the end`)
    }
    return line.events === events && line.checkpoints === checkpoints
      ? undefined
      : fault(
          `there are ${events} events and ${checkpoints} checkpoints, and the last line says ${line.events} and ${line.checkpoints}: a line was removed, inserted or changed`
        )
  }

  const other = (bytes: Buffer): AuditFault | undefined => {
    const line = readOtherLine(bytes)
    const after = expects === "events" ? `sequence ${sequence + 1}: ` : ""
    if (line === undefined) return fault(`${after}this line was changed: it is none of an export's`)
    if (expects === "trail") {
      if (line.type !== "trail") return fault("the export does not begin with the line of its trail")
      if (line.last < line.first - 1)
        return fault("the line of the trail was changed: it ends before it begins")
      part = line
      sequence = line.first - 1
      signed = sequence
      link = Buffer.from(line.previous, "hex")
      expects = "keys"
      return pin()
    }
    if (line.type === "key" && expects === "keys") return key(line)
    if (line.type === "checkpoint") return checkpoint(line)
    if (line.type === "end") return ending(line)
    return fault(`${after}this line is not in its place`)
  }

  return {
    line: (bytes) => {
      number++
      if (expects === "nothing") return fault("this line comes after the end: inserted, or not in its place")
      if (isEventLine(bytes) && expects !== "trail") {
        expects = "events"
        return event(readEventLine(bytes))
      }
      return other(bytes)
    },
    end: () => {
      const missing = (message: string) => new AuditFault({ line: undefined, message })
      if (expects !== "nothing") {
        return missing(
          expects === "trail"
            ? "this is no export of an audit trail: it is empty"
            : `sequence ${sequence + 1}: cut off at the end: the export breaks off after event ${sequence}`
        )
      }
      const [idle] = unused
      if (idle !== undefined) return missing(`the key ${idle} signed nothing here: it was inserted`)
      const wrong = keptFault(kept, keys, part)
      if (wrong !== undefined) return missing(wrong)
      if (trusted.size > 0 && part.last >= part.first && trustedUpTo < part.last) {
        const from = Math.max(trustedUpTo, part.first - 1) + 1
        return missing(
          `sequence ${from}: from here on to sequence ${part.last} the trail is not signed with a key that was kept elsewhere`
        )
      }
      const others = trusted.size > 0 ? [...keys.keys()].filter((id) => !trusted.has(id)) : []
      return {
        first: part.first,
        last: part.last,
        signer: trusted.size > 0 ? "checked" : "not checked",
        ...(others.length > 0 && { others })
      }
    }
  }
}

/** What is wrong with the checkpoint that was kept elsewhere, or with the export by what it says. */
const keptFault = (
  { checkpoint, keys }: KeptElsewhere,
  exported: ReadonlyMap<string, VerifyingKey>,
  part: { readonly first: number; readonly last: number }
): string | undefined => {
  if (checkpoint === undefined) return undefined
  const { key_id, sequence } = checkpoint
  const key = keys.find(({ id }) => id === key_id) ?? exported.get(key_id)
  if (sequence > part.last) {
    return `sequence ${part.last + 1}: cut off at the end: the trail ends with event ${part.last}, and the checkpoint that was kept elsewhere reaches to ${sequence}`
  }
  if (sequence < part.first - 1) {
    return `the checkpoint that was kept elsewhere is of sequence ${sequence}, before this part: there is nothing to hold it against`
  }
  if (key === undefined) {
    return `the checkpoint that was kept elsewhere is signed with the key ${key_id}, which is neither in the export nor was it given`
  }
  return isSignedWith(key, checkpoint)
    ? undefined
    : `the signature of the checkpoint that was kept elsewhere, of sequence ${sequence}, is not good`
}
