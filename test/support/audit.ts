import { randomUUID, sign } from "node:crypto"
import { assert } from "@effect/vitest"
import { Redacted, Result } from "effect"
import {
  beginning,
  type Checkpoint,
  checkpointDigest,
  checkpointText,
  type Digest,
  eventHash,
  type Irregular,
  linkOf,
  noCheckpoint
} from "../../src/domain/AuditChain.ts"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { asHex, writeEventLine, writeLine } from "../../src/domain/AuditExport.ts"
import type { KeptElsewhere } from "../../src/domain/AuditKept.ts"
import { AuditFault, makeVerification, type Shown } from "../../src/domain/AuditVerification.ts"
import { linesOf } from "../../src/domain/Lines.ts"
import { readSigningKey, type SigningKey, signCheckpoint } from "../../src/domain/SigningKey.ts"
import { secondVerdict } from "../torture/check/secondVerifier.ts"
import { signingKey } from "./gateway.ts"

/** An event of a test, with whatever it says of it. */
export const eventOf = (known: Partial<AuditEvent> = {}): AuditEvent => ({
  id: randomUUID(),
  at: "2027-01-01T00:00:00.000Z",
  action: "agent.created",
  outcome: "executed",
  reason: null,
  agent_id: null,
  owner_user_id: null,
  token_id: null,
  project_id: null,
  issue_id: null,
  idempotency_key: null,
  arguments_sha256: null,
  request_id: "r",
  via: "admin",
  count: 1,
  ...known
})

export const newKey = (): SigningKey => Result.getOrThrow(readSigningKey(signingKey()))

export const keptNothing: KeptElsewhere = { keys: [], checkpoint: undefined, previous: undefined }

/** Asserts that the second verifier says the same of an export as the first. */
const agreed = (exported: Buffer, kept: KeptElsewhere, said: Shown | AuditFault): void => {
  const second = secondVerdict(exported, {
    keys: kept.keys.map(({ text }) => text),
    checkpoint: kept.checkpoint,
    ...(kept.previous?.checkpoint !== undefined && { previous: { checkpoint: kept.previous.checkpoint } })
  })
  if (said instanceof AuditFault) {
    if ("refused" in second) return
    assert.fail(`The second verifier takes what the first refuses: ${said.message}`)
  }
  const { checkpoint: _, ...end } = said.end
  assert.deepStrictEqual(second, { ...said, end }, "what the second verifier says")
}

/** What the verifiers say of an export that is given to the first whole, or in pieces. They have to agree. */
export const verify = (
  exported: string | Buffer | ReadonlyArray<Buffer>,
  known: Partial<KeptElsewhere> = {}
): Shown | AuditFault => {
  const kept = { ...keptNothing, ...known }
  const pieces = Array.isArray(exported) ? exported : [Buffer.from(exported as string)]
  const verification = makeVerification(kept)
  const lines = linesOf(verification.line)
  const said =
    pieces.reduce<AuditFault | undefined>((fault, piece) => fault ?? lines.push(piece), undefined) ??
    lines.end() ??
    verification.end()
  // An anchor from an earlier export is taken from the first verifier.
  if (kept.previous === undefined || kept.previous.checkpoint !== undefined) {
    agreed(Buffer.concat(pieces), kept, said)
  }
  return said
}

/** The same of an export with an earlier one that it follows. */
export const verifyAfter = (
  exported: string,
  before: string,
  keys: KeptElsewhere["keys"] = []
): Shown | AuditFault => {
  const earlier = verify(before, { keys })
  if (earlier instanceof AuditFault) return earlier
  const said = verify(exported, { keys, previous: earlier.end })
  const second = secondVerdict(Buffer.from(exported), {
    keys: keys.map(({ text }) => text),
    previous: { exported: Buffer.from(before) }
  })
  assert.strictEqual(
    "refused" in second,
    said instanceof AuditFault,
    "whether the second verifier refuses it"
  )
  return said
}

/** Whose checkpoints come after how many events: what a trail is made of. */
export interface Batch {
  readonly key: SigningKey
  readonly events: ReadonlyArray<AuditEvent>
  /** 1 for a checkpoint that names none before it. */
  readonly format?: 1 | 2
  /** How the event at this place of the batch was sealed, if not as gateways write events. */
  readonly irregular?: Readonly<Record<number, Irregular>>
}

/** A checkpoint as gateways wrote it before checkpoints were chained. */
const signUnchained = (
  { secret, verifying }: SigningKey,
  at: Pick<Checkpoint, "sequence" | "link" | "at">
): Checkpoint => {
  const unsigned = { ...at, key_id: verifying.id }
  const signature = sign(null, checkpointText(unsigned), Redacted.value(secret)).toString("hex")
  return { ...unsigned, signature }
}

/** The lines of an export, made as the sealer and the export make them, with no database between. */
export const exportOf = (
  batches: ReadonlyArray<Batch>,
  start: { readonly sequence: number; readonly link: Digest; readonly digest: string } = {
    sequence: 0,
    link: beginning,
    digest: noCheckpoint
  }
): {
  readonly lines: ReadonlyArray<string>
  readonly checkpoints: ReadonlyArray<Checkpoint>
  /** Where it ends, for a part that follows. */
  readonly end: { readonly sequence: number; readonly link: Digest; readonly digest: string }
} => {
  let { digest, link, sequence } = start
  const body: Array<string> = []
  const checkpoints: Array<Checkpoint> = []
  for (const { events, format, irregular, key } of batches) {
    for (const [place, event] of events.entries()) {
      sequence++
      const hash = eventHash(event)
      const how = irregular?.[place]
      link = linkOf(link, sequence, hash, how)
      body.push(
        how?.oversizeAt === undefined
          ? writeEventLine({ sequence, event, hash, link, storedHash: how?.storedHash })
          : writeLine({
              type: "event",
              oversize: true,
              position: how.oversizeAt,
              sequence,
              hash: asHex(hash),
              link: asHex(link)
            })
      )
    }
    const at = new Date(Date.UTC(2027, 0, 1) + sequence * 2000).toISOString()
    const place = { sequence, link: asHex(link), at }
    const checkpoint =
      format === 1 ? signUnchained(key, place) : signCheckpoint(key, { ...place, previous: digest })
    digest = checkpointDigest(checkpoint)
    checkpoints.push(checkpoint)
    body.push(writeLine({ type: "checkpoint", ...checkpoint }))
  }
  const keys = new Map(batches.map(({ key }) => [key.verifying.id, key.verifying.text]))
  const lines = [
    writeLine({
      type: "trail",
      format: "nodedc-audit/2",
      first: start.sequence + 1,
      last: sequence,
      previous: asHex(start.link)
    }),
    ...[...keys].map(([key_id, public_key]) => writeLine({ type: "key", key_id, public_key })),
    ...body,
    writeLine({ type: "end", events: sequence - start.sequence, checkpoints: batches.length })
  ]
  return { lines, checkpoints, end: { sequence, link, digest } }
}
