import { Schema } from "effect"
import {
  beginning,
  type Checkpoint,
  checkpointDigest,
  type Digest,
  type Irregular,
  isChained,
  linkOf,
  noCheckpoint,
  sha256
} from "./AuditChain.ts"
import { asHex, isEventLine, type OtherLine, readEventLine, readOtherLine } from "./AuditExport.ts"
import { type Anchor, anchorFault, type KeptElsewhere, keptFault, range } from "./AuditKept.ts"
import { isSignedWith, readVerifyingKey, type VerifyingKey } from "./SigningKey.ts"

/** Names the first place at which the trail is not the one that was sealed. What follows was not looked at. */
export class AuditFault extends Schema.TaggedError<AuditFault>()("AuditFault", {
  /** The line of the export, from 1; undefined if the fault is that there are no more. */
  line: Schema.UndefinedOr(Schema.Int),
  message: Schema.String
}) {}

/** What was shown of an export. */
export interface Shown {
  readonly first: number
  /** One less than `first` if the export has no events. */
  readonly last: number
  /** Whether the signatures were held against keys that were kept elsewhere. */
  readonly signer: "checked" | "not checked"
  /** Ids of the keys that signed: of those that were kept elsewhere; if none was, of those in the export. */
  readonly signers: ReadonlyArray<string>
  /** Ids of keys that signed too and were not kept elsewhere, if some were. */
  readonly others: ReadonlyArray<string>
  /** `open`: nothing was given that shows what came before `first`. */
  readonly start: "beginning" | "joined" | "open"
  /** Checkpoints before this sequence number can have been removed; undefined if none can. */
  readonly unchainedBefore: number | undefined
  /** Sequence numbers of events that were inserted with another hash than their own. */
  readonly altered: ReadonlyArray<number>
  /** Sequence numbers of events that are too large for a line, so that their content is not in the export. */
  readonly oversize: ReadonlyArray<number>
  /** Where the export ends, for the one after it. */
  readonly end: Anchor
}

/** Is given the lines of an export one after the other, without their line feeds. Keeps nothing of them. */
export interface Verification {
  /** Fails at the first line that is not as it must be. Nothing may be given after that. */
  readonly line: (line: Buffer) => AuditFault | undefined
  /** After the last line: returns what was shown, or what is missing. */
  readonly end: () => Shown | AuditFault
}

type LineOf<T extends OtherLine["type"]> = Extract<OtherLine, { readonly type: T }>

const same = (one: Digest, other: Digest): boolean => Buffer.compare(one, other) === 0

export const makeVerification = (kept: KeptElsewhere): Verification => {
  const keys = new Map<string, VerifyingKey>()
  const unused = new Set<string>()
  const trusted = new Set(kept.keys.map(({ id }) => id))
  const altered: Array<number> = []
  const oversize: Array<number> = []
  let expects: "trail" | "keys" | "events" | "nothing" = "trail"
  let number = 0
  let part: Pick<LineOf<"trail">, "first" | "last" | "format"> = {
    first: 1,
    last: 0,
    format: "nodedc-audit/2"
  }
  let sequence = 0
  let link: Digest = new Uint8Array(0)
  let checkpoints = 0
  /** The last event that a checkpoint stands for; one by a trusted key. */
  let signed = 0
  let trustedUpTo = 0
  /** Of the checkpoint before, if it is known. */
  let digest: string | undefined
  let chainedFrom: number | undefined
  let isChainedFromStart = false
  let joined = false

  const fault = (message: string) => new AuditFault({ line: number, message })

  /** Holds the trail against what was kept elsewhere, if that is of this very event. */
  const pin = (): AuditFault | undefined => {
    if (kept.checkpoint?.sequence === sequence && kept.checkpoint.link !== asHex(link)) {
      return fault(
        `sequence ${sequence}: the trail up to here is not the one of the checkpoint that was kept elsewhere`
      )
    }
    if (kept.previous?.sequence !== sequence) return undefined
    if (kept.previous.link !== asHex(link)) {
      return fault(`sequence ${sequence}: the trail up to here is not the one that was given with --previous`)
    }
    joined = true
    return undefined
  }

  const event = (
    line:
      | {
          readonly sequence: number
          readonly hash: Digest
          readonly link: Digest
          readonly event?: Uint8Array
        }
      | undefined,
    irregular: Irregular | undefined
  ): AuditFault | undefined => {
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
    if (irregular !== undefined && part.format === "nodedc-audit/1")
      return fault(`sequence ${expected}: this line was changed: an export of format 1 has none like it`)
    if (line.event !== undefined && !same(sha256(line.event), line.hash)) {
      return fault(`sequence ${expected}: this event was changed: its hash is another`)
    }
    const next = linkOf(link, expected, line.hash, irregular)
    if (!same(next, line.link)) {
      return fault(
        `sequence ${expected}: the chain breaks here: this event was changed or inserted, or one before it was changed or removed`
      )
    }
    if (irregular?.storedHash !== undefined) altered.push(expected)
    if (irregular?.oversizeAt !== undefined) oversize.push(expected)
    sequence = expected
    link = next
    return pin()
  }

  /** Holds a checkpoint against the one before it. */
  const follows = (line: Checkpoint, where: string): AuditFault | undefined => {
    if (!isChained(line)) {
      return chainedFrom === undefined
        ? undefined
        : fault(`sequence ${sequence}: ${where} does not name the one before it, as others before it do`)
    }
    if (part.format === "nodedc-audit/1")
      return fault(`sequence ${sequence}: ${where} is of format 2, which an export of format 1 has none of`)
    if (digest !== undefined && line.previous !== digest) {
      return fault(
        `sequence ${signed + 1}: a checkpoint before that of sequence ${sequence} was removed, inserted or changed: ${where} names another as the one before it`
      )
    }
    if (chainedFrom === undefined) {
      chainedFrom = sequence
      isChainedFromStart = checkpoints === 0 && digest !== undefined
    }
    return undefined
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
    const own = checkpointDigest(line)
    if (kept.previous?.sequence === sequence && (kept.previous.digest ?? own) !== own)
      return fault(`sequence ${sequence}: ${where} is not the one that was given with --previous`)
    const broken = follows(line, where)
    if (broken !== undefined) return broken
    unused.delete(line.key_id)
    checkpoints++
    signed = sequence
    digest = own
    if (trusted.has(line.key_id)) trustedUpTo = sequence
    return undefined
  }

  const key = (line: LineOf<"key">): AuditFault | undefined => {
    const read = readVerifyingKey(line.public_key)
    if (read._tag === "Failure" || read.success.id !== line.key_id || read.success.text !== line.public_key) {
      return fault(`the key ${line.key_id} was changed: its id is another's`)
    }
    if (keys.has(line.key_id)) return fault(`the key ${line.key_id} comes twice`)
    keys.set(line.key_id, read.success)
    unused.add(line.key_id)
    return undefined
  }

  const ending = (line: LineOf<"end">): AuditFault | undefined => {
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

  const trail = (line: LineOf<"trail">): AuditFault | undefined => {
    if (line.last < line.first - 1)
      return fault("the line of the trail was changed: it ends before it begins")
    if (line.first === 1 && line.previous !== asHex(beginning))
      return fault("the line of the trail was changed: nothing comes before event 1")
    part = line
    sequence = line.first - 1
    signed = sequence
    link = Buffer.from(line.previous, "hex")
    expects = "keys"
    if (line.first === 1) digest = noCheckpoint
    const wrong = pin()
    if (joined) digest = kept.previous?.digest
    return wrong
  }

  const other = (bytes: Buffer): AuditFault | undefined => {
    const line = readOtherLine(bytes)
    const after = expects === "events" ? `sequence ${sequence + 1}: ` : ""
    if (line === undefined) return fault(`${after}this line was changed: it is none of an export's`)
    if (expects === "trail") {
      return line.type === "trail"
        ? trail(line)
        : fault("the export does not begin with the line of its trail")
    }
    if (line.type === "key" && expects === "keys") return key(line)
    if (line.type === "checkpoint") return checkpoint(line)
    if (line.type === "event") {
      expects = "events"
      const [hash, own] = [Buffer.from(line.hash, "hex"), Buffer.from(line.link, "hex")]
      return event({ sequence: line.sequence, hash, link: own }, { oversizeAt: line.position })
    }
    if (line.type === "end") return ending(line)
    return fault(`${after}this line is not in its place`)
  }

  return {
    line: (bytes) => {
      number++
      if (expects === "nothing") return fault("this line comes after the end: inserted, or not in its place")
      if (isEventLine(bytes) && expects !== "trail") {
        expects = "events"
        const line = readEventLine(bytes)
        return event(line, line?.storedHash === undefined ? undefined : { storedHash: line.storedHash })
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
      const wrong = keptFault(kept, keys, part) ?? anchorFault(kept, keys, part)
      if (wrong !== undefined) return missing(wrong)
      if (trusted.size > 0 && part.last >= part.first && trustedUpTo < part.last) {
        const from = Math.max(trustedUpTo, part.first - 1) + 1
        return missing(
          `sequence ${from}: from here on to sequence ${part.last} the trail is not signed with a key that was kept elsewhere`
        )
      }
      const isTrusted = (id: string) => trusted.size === 0 || trusted.has(id)
      return {
        first: part.first,
        last: part.last,
        signer: trusted.size > 0 ? "checked" : "not checked",
        signers: [...keys.keys()].filter(isTrusted),
        others: [...keys.keys()].filter((id) => !isTrusted(id)),
        start: part.first === 1 ? "beginning" : joined ? "joined" : "open",
        unchainedBefore: isChainedFromStart || checkpoints === 0 ? undefined : (chainedFrom ?? part.last + 1),
        altered,
        oversize,
        end: { sequence, link: asHex(link), digest, checkpoint: undefined }
      }
    }
  }
}
