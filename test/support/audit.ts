import { randomUUID } from "node:crypto"
import { Result } from "effect"
import { beginning, type Checkpoint, type Digest, eventHash, linkOf } from "../../src/domain/AuditChain.ts"
import type { AuditEvent } from "../../src/domain/AuditEvent.ts"
import { asHex, writeEventLine, writeLine } from "../../src/domain/AuditExport.ts"
import {
  type AuditFault,
  type KeptElsewhere,
  makeVerification,
  type Verified
} from "../../src/domain/AuditVerification.ts"
import { linesOf } from "../../src/domain/Lines.ts"
import { readSigningKey, type SigningKey, signCheckpoint } from "../../src/domain/SigningKey.ts"
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

export const keptNothing: KeptElsewhere = { keys: [], checkpoint: undefined }

/** What a verifier says of an export that is given to it whole, or in pieces. */
export const verify = (
  exported: string | Buffer | ReadonlyArray<Buffer>,
  kept: KeptElsewhere = keptNothing
): Verified | AuditFault => {
  const verification = makeVerification(kept)
  const lines = linesOf(verification.line)
  for (const piece of Array.isArray(exported) ? exported : [Buffer.from(exported as string)]) {
    const fault = lines.push(piece)
    if (fault !== undefined) return fault
  }
  return lines.end() ?? verification.end()
}

/** Whose checkpoints come after how many events: what a trail is made of. */
export interface Batch {
  readonly key: SigningKey
  readonly events: ReadonlyArray<AuditEvent>
}

/** The lines of an export, made as the sealer and the export make them, with no database between. */
export const exportOf = (
  batches: ReadonlyArray<Batch>,
  start: { readonly sequence: number; readonly link: Digest } = { sequence: 0, link: beginning }
): {
  readonly lines: ReadonlyArray<string>
  readonly checkpoints: ReadonlyArray<Checkpoint>
  readonly link: Digest
} => {
  let { link, sequence } = start
  const body: Array<string> = []
  const checkpoints: Array<Checkpoint> = []
  for (const { events, key } of batches) {
    for (const event of events) {
      sequence++
      const hash = eventHash(event)
      link = linkOf(link, sequence, hash)
      body.push(writeEventLine({ sequence, event, hash, link }))
    }
    const at = new Date(Date.UTC(2027, 0, 1) + checkpoints.length * 2000).toISOString()
    const checkpoint = signCheckpoint(key, { sequence, link: asHex(link), at })
    checkpoints.push(checkpoint)
    body.push(writeLine({ type: "checkpoint", ...checkpoint }))
  }
  const keys = new Map(batches.map(({ key }) => [key.verifying.id, key.verifying.text]))
  const lines = [
    writeLine({
      type: "trail",
      format: "nodedc-audit/1",
      first: start.sequence + 1,
      last: sequence,
      previous: asHex(start.link)
    }),
    ...[...keys].map(([key_id, public_key]) => writeLine({ type: "key", key_id, public_key })),
    ...body,
    writeLine({ type: "end", events: sequence - start.sequence, checkpoints: batches.length })
  ]
  return { lines, checkpoints, link }
}
