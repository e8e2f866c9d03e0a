import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema } from "effect"
import { beginning, type Digest, type Irregular, linkOf, sha256 } from "../../domain/AuditChain.ts"
import { asHex, longestEvent } from "../../domain/AuditExport.ts"
import { canonicalJson } from "../../domain/CanonicalJson.ts"
import { bulkOf, eventColumns, shownEvent } from "./auditSql.ts"

/**
 * The texts of a row that is read to be sealed, in bytes. As JSON they take six times as much at most, which
 * fits into a line. A larger row is sealed by its digest.
 */
const mostBulk = 64 * 1024

/** Events that are hashed before anything else may run. */
const atOnce = 100

const rowsOf = <S extends Schema.Constraint>(row: S) => Schema.decodeUnknownEffect(Schema.Array(row))

const decodeWaiting = rowsOf(
  Schema.Struct({
    position: Schema.BigInt,
    /** The hash that the row came with. */
    stored: Schema.NullOr(Schema.Uint8Array)
  })
)
const decodeDigests = rowsOf(Schema.Struct({ position: Schema.BigInt, digest: Schema.Uint8Array }))

/** An event that waits for its seal, with what the seal is to hold. */
export interface Waiting {
  readonly position: bigint
  readonly hash: Digest
  readonly irregular: Irregular | undefined
}

/** A row of `audit_seals`, as JSON. */
export interface Seal {
  readonly sequence: number
  /** A decimal number: JSON has none that is as large as a bigint may be. */
  readonly position: string
  readonly hash: string
  readonly link: string
  readonly stored_hash: string | null
  readonly oversize: boolean
}

/** The hash of an event as it would be exported; undefined if no line can hold it. */
const hashOf = (event: unknown): Digest | undefined => {
  try {
    const text = Buffer.from(canonicalJson(event))
    return text.length > longestEvent ? undefined : sha256(text)
  } catch {
    // A number beyond those of JavaScript, say.
    return undefined
  }
}

/** Reads and hashes those of these events that have no seal yet, in the order of their positions. */
export const waitingAt = Effect.fnUntraced(function* (sql: PgClient, positions: ReadonlyArray<string>) {
  // Nothing but constraints says what the columns of an event may hold, so they are hashed as they are.
  const found = yield* sql<Record<string, unknown>>`
    select w.position, w.hash as stored, ${eventColumns(sql)}
    from jsonb_array_elements_text(${sql.json(positions)}) as wanted
      join audit_events w on w.position = wanted::bigint
      left join lateral (
        select * from (select w.*) as e where ${bulkOf(sql)} <= ${mostBulk}::integer
      ) as e on true
    where not exists (select from audit_seals s where s.position = wanted::bigint)
    order by w.position`
  const rows = yield* decodeWaiting(found)
  const hashes = new Map<bigint, Digest>()
  for (const [at, { position }] of rows.entries()) {
    const event = found[at] ?? {}
    const hash = event.id === null ? undefined : hashOf(shownEvent(event))
    if (hash !== undefined) hashes.set(position, hash)
    if (at % atOnce === atOnce - 1) yield* Effect.yieldNow
  }
  const oversize = rows.filter(({ position }) => !hashes.has(position))
  const digests = oversize.length === 0 ? new Map<bigint, Digest>() : yield* digestsOf(sql, oversize)
  return rows.map(({ position, stored }): Waiting => {
    const hash = hashes.get(position)
    if (hash === undefined) {
      const digest = digests.get(position) as Digest
      return { position, hash: digest, irregular: { oversizeAt: Number(position) } }
    }
    const isAltered = stored !== null && Buffer.compare(stored, hash) !== 0
    return { position, hash, irregular: isAltered ? { storedHash: stored } : undefined }
  })
})

const digestsOf = (sql: PgClient, rows: ReadonlyArray<{ readonly position: bigint }>) =>
  Effect.map(
    Effect.flatMap(
      sql`
        select e.position, audit_event_digest(e) as digest
        from jsonb_array_elements_text(${sql.json(rows.map(({ position }) => position.toString()))}) as wanted
        join audit_events e on e.position = wanted::bigint`,
      decodeDigests
    ),
    (found) => new Map(found.map(({ digest, position }) => [position, digest]))
  )

/** Numbers and links events, after the last one that was sealed. */
export const chain = (
  waiting: ReadonlyArray<Waiting>,
  head: { readonly sequence: number; readonly link: Digest } | undefined
): ReadonlyArray<Seal> => {
  let sequence = head?.sequence ?? 0
  let link: Digest = head?.link ?? beginning
  return waiting.map(({ hash, irregular, position }) => {
    sequence++
    link = linkOf(link, sequence, hash, irregular)
    return {
      sequence,
      position: position.toString(),
      hash: asHex(hash),
      link: asHex(link),
      stored_hash: irregular?.storedHash === undefined ? null : asHex(irregular.storedHash),
      oversize: irregular?.oversizeAt !== undefined
    }
  })
}
