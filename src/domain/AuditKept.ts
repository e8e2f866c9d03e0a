import type { Checkpoint } from "./AuditChain.ts"
import type { TrailLine } from "./AuditExport.ts"
import { isSignedWith, type VerifyingKey } from "./SigningKey.ts"

/** What a verifier has that did not come with the export, and what it says against one. */

/** A place of the trail that is known from before: the end of an earlier export, or a checkpoint that was kept. */
export interface Anchor {
  readonly sequence: number
  /** In hexadecimal digits. */
  readonly link: string
  /** `checkpointDigest` of the checkpoint of `sequence`; undefined if that is not known. */
  readonly digest: string | undefined
  /** The kept checkpoint itself, if it is one: its signature is checked too. */
  readonly checkpoint: Checkpoint | undefined
}

/** What the verifier was given that did not come with the export. */
export interface KeptElsewhere {
  /** Keys that signed: all of them, if they were changed in time. */
  readonly keys: ReadonlyArray<VerifyingKey>
  readonly checkpoint: Checkpoint | undefined
  readonly previous: Anchor | undefined
}

/** Names events as the subject of a sentence. */
export const range = (first: number, last: number): string =>
  first === last ? `event ${first} is` : `events ${first} to ${last} are`

type Exported = ReadonlyMap<string, VerifyingKey>
type Part = Pick<TrailLine, "first" | "last">

/** Says what is wrong with the signature of a checkpoint that did not come with the export. */
const signatureFault = (
  checkpoint: Checkpoint,
  what: string,
  { keys }: KeptElsewhere,
  exported: Exported
): string | undefined => {
  const key = keys.find(({ id }) => id === checkpoint.key_id) ?? exported.get(checkpoint.key_id)
  if (key === undefined)
    return `${what} is signed with the key ${checkpoint.key_id}, which is neither in the export nor was it given`
  return isSignedWith(key, checkpoint)
    ? undefined
    : `the signature of ${what}, of sequence ${checkpoint.sequence}, is not good`
}

/** Says what is wrong with the checkpoint that was kept elsewhere, or with the export by what it says. */
export const keptFault = (kept: KeptElsewhere, exported: Exported, part: Part): string | undefined => {
  if (kept.checkpoint === undefined) return undefined
  const { sequence } = kept.checkpoint
  const what = "the checkpoint that was kept elsewhere"
  if (sequence > part.last) {
    return `sequence ${part.last + 1}: cut off at the end: the trail ends with event ${part.last}, and ${what} reaches to ${sequence}`
  }
  if (sequence < part.first - 1) {
    return `${what} is of sequence ${sequence}, before this part: there is nothing to hold it against`
  }
  return signatureFault(kept.checkpoint, what, kept, exported)
}

/** Says what is wrong with what was given as coming before, or why the export does not follow it. */
export const anchorFault = (kept: KeptElsewhere, exported: Exported, part: Part): string | undefined => {
  if (kept.previous === undefined) return undefined
  const { checkpoint, sequence } = kept.previous
  if (sequence < part.first - 1) {
    return `sequence ${sequence + 1}: ${range(sequence + 1, part.first - 1)} missing between what was given with --previous and this part`
  }
  if (sequence > part.last) {
    return `what was given with --previous reaches to event ${sequence}, and this part only to event ${part.last}`
  }
  return checkpoint === undefined
    ? undefined
    : signatureFault(checkpoint, "the checkpoint that was given with --previous", kept, exported)
}
