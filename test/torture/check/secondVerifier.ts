/**
 * A second verifier of exported audit trails, written from `docs/AUDIT.md` alone: no code of the gateway and no
 * library, so that it can't share a mistake with the first. The points that it numbers are those of "To verify it".
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto"

/** What was kept elsewhere. */
export interface Kept {
  /** DER in base64. */
  readonly keys?: ReadonlyArray<string>
  /** A saved checkpoint, as JSON. */
  readonly checkpoint?: unknown
  /** What the export follows: an earlier export, or a saved checkpoint. */
  readonly previous?: { readonly exported: Buffer } | { readonly checkpoint: unknown }
}

export type Second =
  | { readonly refused: string }
  | {
      readonly first: number
      readonly last: number
      readonly signer: "checked" | "not checked"
      readonly signers: ReadonlyArray<string>
      readonly others: ReadonlyArray<string>
      readonly start: "beginning" | "joined" | "open"
      readonly unchainedBefore: number | undefined
      readonly altered: ReadonlyArray<number>
      readonly oversize: ReadonlyArray<number>
      readonly end: { readonly sequence: number; readonly link: string; readonly digest: string | undefined }
    }

type Members = Readonly<Record<string, unknown>>

class Refused extends Error {}

const demand: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Refused(what)
}

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const u64 = (number: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(number))
  return bytes
}

/** *ascii* of a word and `00`. */
const word = (text: string): Buffer => Buffer.from(`${text}\0`, "ascii")

/** RFC 8785 of a value that `JSON.parse` made. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`
}

const zeros = "0".repeat(64)
const isHex = (value: unknown, digits: number): value is string =>
  typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value)
const isWhole = (value: unknown, least: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least
const isInstant = (value: unknown): boolean =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)

const has = (line: Members, ...names: ReadonlyArray<string>): boolean =>
  Object.keys(line).sort().join() === [...names].sort().join()

interface Checkpoint {
  readonly at: string
  readonly format?: 2
  readonly key_id: string
  readonly link: string
  readonly previous?: string
  readonly sequence: number
  readonly signature: string
}

/** Reads a checkpoint without its `type`; undefined if it is none. */
const checkpointOf = (value: Members): Checkpoint | undefined => {
  const common = ["at", "key_id", "link", "sequence", "signature"]
  const isFirst = has(value, ...common)
  const isSecond =
    has(value, ...common, "format", "previous") && value.format === 2 && isHex(value.previous, 64)
  const isWell =
    isInstant(value.at) &&
    isHex(value.key_id, 32) &&
    isHex(value.link, 64) &&
    isWhole(value.sequence, 1) &&
    isHex(value.signature, 128)
  return (isFirst || isSecond) && isWell ? (value as unknown as Checkpoint) : undefined
}

const digestOf = (checkpoint: Checkpoint): string =>
  sha256(Buffer.from(canonical(checkpoint))).toString("hex")

const isSigned = (checkpoint: Checkpoint, key: KeyObject): boolean => {
  const { signature, ...said } = checkpoint
  const text = Buffer.concat([
    word(`nodedc-audit/checkpoint/v${said.format === 2 ? 2 : 1}`),
    Buffer.from(canonical(said))
  ])
  return verify(null, text, key, Buffer.from(signature, "hex"))
}

const ed25519 = Buffer.from("302a300506032b6570032100", "hex")

/** Reads a public key; undefined if it is none, or not in the one spelling that it has. */
const keyOf = (text: string): { readonly id: string; readonly key: KeyObject } | undefined => {
  const der = Buffer.from(text, "base64")
  if (der.length !== 44 || !der.subarray(0, 12).equals(ed25519) || der.toString("base64") !== text)
    return undefined
  return {
    id: sha256(der).toString("hex").slice(0, 32),
    key: createPublicKey({ key: der, format: "der", type: "spki" })
  }
}

/** A saved answer of the API, or the checkpoint in it. */
const savedCheckpoint = (value: unknown): Checkpoint => {
  const members = value as Members
  const found = checkpointOf((members.checkpoint ?? members) as Members)
  demand(found !== undefined, "what was kept is no checkpoint")
  return found
}

const longestLine = 1024 * 1024

const linesOf = (exported: Buffer): ReadonlyArray<Buffer> => {
  const lines: Array<Buffer> = []
  let start = 0
  for (let end = exported.indexOf(0x0a); end !== -1; end = exported.indexOf(0x0a, start)) {
    demand(end - start <= longestLine, `line ${lines.length + 1} is too long`)
    lines.push(exported.subarray(start, end))
    start = end + 1
  }
  demand(start === exported.length, "the last line has no line feed")
  return lines
}

const read = (line: Buffer, number: number): Members => {
  try {
    const value: unknown = JSON.parse(line.toString())
    if (typeof value === "object" && value !== null && Buffer.from(canonical(value)).equals(line)) {
      return value as Members
    }
  } catch {
    // Said below.
  }
  throw new Refused(`line ${number} is no JSON object in canonical form`)
}

/** Says what an export shows, or the first reason to refuse it. */
export const secondVerdict = (exported: Buffer, kept: Kept = {}): Second => {
  try {
    return shownBy(exported, kept)
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message }
    throw error
  }
}

const shownBy = (exported: Buffer, kept: Kept): Exclude<Second, { readonly refused: string }> => {
  const keptKeys = new Map<string, KeyObject>()
  for (const text of kept.keys ?? []) {
    const found = keyOf(text)
    demand(found !== undefined, "what was kept is no key")
    keptKeys.set(found.id, found.key)
  }
  const before = beforeOf(kept)
  const keptCheckpoint = kept.checkpoint === undefined ? undefined : savedCheckpoint(kept.checkpoint)

  const lines = linesOf(exported)
  const trail = read(lines[0] ?? Buffer.alloc(0), 1)
  const { first, format, last, previous } = trail
  demand(
    has(trail, "first", "format", "last", "previous", "type") &&
      trail.type === "trail" &&
      (format === "nodedc-audit/1" || format === "nodedc-audit/2") &&
      isWhole(first, 1) &&
      isWhole(last, first - 1) &&
      isHex(previous, 64) &&
      (first > 1 || previous === zeros),
    "line 1 is not that of a trail"
  )

  const keys = new Map<string, KeyObject>()
  const idle = new Set<string>()
  const altered: Array<number> = []
  const oversize: Array<number> = []
  let sequence = first - 1
  let link = Buffer.from(previous, "hex")
  let digest = first === 1 ? zeros : before?.sequence === first - 1 ? before.digest : undefined
  let keptUpTo = 0
  let signed = sequence
  let counted = 0
  let chainedFrom: number | undefined
  let isChainedFromStart = false
  let hasEvents = false
  let hasEnded = false
  let isJoined = false

  /** Points 7 and 8, at the place that the trail has come to. */
  const compare = () => {
    demand(
      keptCheckpoint?.sequence !== sequence || keptCheckpoint.link === link.toString("hex"),
      `the trail is not the one of the checkpoint that was kept, at ${sequence}`
    )
    if (before?.sequence !== sequence) return
    demand(before.link === link.toString("hex"), `the trail is not the one that came before, at ${sequence}`)
    isJoined = true
  }
  compare()

  const event = (line: Members, bytes: Buffer) => {
    const regular = has(line, "event", "hash", "link", "sequence", "type")
    const isAltered = has(line, "event", "hash", "link", "sequence", "stored_hash", "type")
    const isOversize = has(line, "hash", "link", "oversize", "position", "sequence", "type")
    demand(
      regular || (format === "nodedc-audit/2" && (isAltered || isOversize)),
      "an event has other members"
    )
    demand(isHex(line.hash, 64) && isHex(line.link, 64), "a hash of an event is none")
    demand(
      line.sequence === sequence + 1 && line.sequence <= last,
      `event ${sequence + 1} is not in its place`
    )
    sequence = line.sequence
    const hash = Buffer.from(line.hash, "hex")
    const common = [link, u64(sequence), hash]
    let next: Buffer
    if (isOversize) {
      demand(line.oversize === true && isWhole(line.position, 1), `event ${sequence} has no position`)
      next = sha256(word("nodedc-audit/oversize/v1"), ...common, u64(line.position))
      oversize.push(sequence)
    } else {
      const content = bytes.subarray('{"event":'.length, bytes.lastIndexOf(`,"hash":"${line.hash}"`))
      demand(typeof line.event === "object" && line.event !== null, `event ${sequence} is none`)
      demand(sha256(content).equals(hash), `event ${sequence} has another hash`)
      if (isAltered) {
        demand(isHex(line.stored_hash, 64), `event ${sequence} has no stored hash`)
        const stored = Buffer.from(line.stored_hash, "hex")
        next = sha256(word("nodedc-audit/altered/v1"), ...common, stored)
        altered.push(sequence)
      } else {
        next = sha256(word("nodedc-audit/link/v1"), ...common)
      }
    }
    demand(line.link === next.toString("hex"), `the chain breaks at event ${sequence}`)
    link = Buffer.from(next)
    compare()
  }

  const checkpoint = ({ type: _, ...members }: Members) => {
    const found = checkpointOf(members)
    demand(found !== undefined, "a checkpoint is none")
    demand(
      found.sequence === sequence && sequence > signed,
      `a checkpoint is not in its place, at ${sequence}`
    )
    demand(found.link === link.toString("hex"), `the checkpoint of ${sequence} has another link`)
    const key = keys.get(found.key_id)
    demand(key !== undefined && isSigned(found, key), `the checkpoint of ${sequence} is not signed`)
    const own = digestOf(found)
    demand(
      before?.sequence !== sequence || before.digest === undefined || before.digest === own,
      `the checkpoint of ${sequence} is not the one that came before`
    )
    if (found.format === 2) {
      demand(format === "nodedc-audit/2", "an export of format 1 has a checkpoint of format 2")
      demand(digest === undefined || found.previous === digest, `a checkpoint before ${sequence} is another`)
      if (chainedFrom === undefined) {
        chainedFrom = sequence
        isChainedFromStart = counted === 0 && digest !== undefined
      }
    } else {
      demand(chainedFrom === undefined, `the checkpoint of ${sequence} names none before it`)
    }
    digest = own
    signed = sequence
    if (keptKeys.has(found.key_id)) keptUpTo = sequence
    idle.delete(found.key_id)
    counted++
  }

  for (const [at, bytes] of lines.entries()) {
    if (at === 0) continue
    const line = read(bytes, at + 1)
    demand(!hasEnded, `line ${at + 1} comes after the end`)
    if (line.type === "key") {
      const { key_id, public_key } = line
      demand(!hasEvents && has(line, "key_id", "public_key", "type"), `line ${at + 1} is not in its place`)
      const found = typeof public_key === "string" ? keyOf(public_key) : undefined
      demand(found !== undefined && found.id === key_id && !keys.has(found.id), `line ${at + 1} is no key`)
      keys.set(found.id, found.key)
      idle.add(found.id)
    } else if (line.type === "event") {
      hasEvents = true
      event(line, bytes)
    } else if (line.type === "checkpoint") {
      checkpoint(line)
    } else {
      demand(
        line.type === "end" &&
          has(line, "checkpoints", "events", "type") &&
          line.events === sequence - first + 1 &&
          line.checkpoints === counted,
        `line ${at + 1} is none, or counts otherwise`
      )
      hasEnded = true
    }
  }
  demand(hasEnded && sequence === last && signed === last, "the export ends too early")
  demand(idle.size === 0, "a key signed nothing")

  const isEmpty = last < first
  demand(
    isEmpty || keptKeys.size === 0 || keptUpTo === last,
    "the end is not signed with a key that was kept"
  )
  for (const one of [keptCheckpoint, before?.checkpoint]) {
    if (one === undefined) continue
    const key = keptKeys.get(one.key_id) ?? keys.get(one.key_id)
    demand(key !== undefined && isSigned(one, key), "the checkpoint that was kept is not signed")
  }
  for (const one of [keptCheckpoint, before]) {
    demand(
      one === undefined || (one.sequence >= first - 1 && one.sequence <= last),
      "what was kept is of another part"
    )
  }
  const isKept = (id: string) => keptKeys.size === 0 || keptKeys.has(id)
  return {
    first,
    last,
    signer: keptKeys.size > 0 ? "checked" : "not checked",
    signers: [...keys.keys()].filter(isKept),
    others: [...keys.keys()].filter((id) => !isKept(id)),
    start: first === 1 ? "beginning" : isJoined ? "joined" : "open",
    unchainedBefore: isChainedFromStart || isEmpty ? undefined : (chainedFrom ?? last + 1),
    altered,
    oversize,
    end: { sequence, link: link.toString("hex"), digest }
  }
}

interface Before {
  readonly sequence: number
  readonly link: string
  readonly digest: string | undefined
  readonly checkpoint: Checkpoint | undefined
}

/** Reads what the export follows. */
const beforeOf = ({ keys = [], previous }: Kept): Before | undefined => {
  if (previous === undefined) return undefined
  if ("exported" in previous) return { ...shownBy(previous.exported, { keys }).end, checkpoint: undefined }
  const checkpoint = savedCheckpoint(previous.checkpoint)
  const { link, sequence } = checkpoint
  return { sequence, link, digest: digestOf(checkpoint), checkpoint }
}
