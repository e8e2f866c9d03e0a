import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Result, Schema } from "effect"
import { beginning, Checkpoint, checkpointDigest, type Digest } from "../../domain/AuditChain.ts"
import { asHex } from "../../domain/AuditExport.ts"
import { isSignedWith, readVerifyingKey, type SigningKey } from "../../domain/SigningKey.ts"
import { checkpointOf } from "./auditSql.ts"

/** The trail in the database is not the one that was sealed, so nothing is sealed after it. */
export class TrailRefused extends Schema.TaggedError<TrailRefused>()("TrailRefused", {
  message: Schema.String
}) {}

const refuse = (what: string) =>
  new TrailRefused({
    message: `The audit trail is not the one that was sealed: ${what}. Nothing is sealed after it. If the database was put back from a copy, note where the trail ends and start every gateway again; else look into it (docs/AUDIT.md).`
  })

const decodePlaces = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      /** The last seal there is; 0 before the first. */
      last: Schema.Int,
      /** The link of the event that was asked for. */
      known: Schema.NullOr(Schema.Uint8Array),
      /** Null before the first. */
      checkpoint: Schema.NullOr(Checkpoint),
      /** Of the last checkpoint, even if its seal is gone. */
      signed: Schema.NullOr(Schema.Int),
      public_key: Schema.NullOr(Schema.String),
      horizon: Schema.NullOr(Schema.BigInt)
    })
  )
)

/** A place in the trail that is known to be as it was sealed. */
export interface Place {
  readonly sequence: number
  readonly link: Digest
}

/** The end of the trail, as the last checkpoint has it. */
export interface Head extends Place {
  readonly at: string
  readonly keyId: string
  /** Of the last checkpoint, for the next one to name. */
  readonly digest: string
  /** See `auditHorizon.ts`. */
  readonly horizon: bigint
}

/**
 * Where the trail ends, and whether it is still the one that this process knows. Who owns the database can
 * write all of the trail anew but for the signatures; a sealer that signed whatever it finds would give him
 * those. So what was sealed or seen last is remembered, and has to be there still.
 */
export const makeHead = (sql: PgClient, key: SigningKey) => {
  let known: Place = { sequence: 0, link: beginning }
  /** Keys of others that the trail was found signed with, each said once. */
  const others = new Set<string>()

  const placesFrom = (sequence: number) => sql`
      with head as (select * from audit_checkpoints order by sequence desc limit 1)
      select
        (select coalesce(max(sequence), 0)::float8 from audit_seals) as last,
        (select link from audit_seals where sequence = ${sequence}::bigint) as known,
        case when s.link is not null then ${checkpointOf(sql, "h")} end as checkpoint,
        h.sequence::float8 as signed, k.public_key, h.horizon
      from (select) as always
        left join head h on true
        left join audit_seals s on s.sequence = h.sequence
        left join audit_keys k on k.key_id = h.key_id`

  return {
    /** Reads the head and holds it against what is known. Undefined before the first event was sealed. */
    check: Effect.gen(function* () {
      // What is known may go on meanwhile, where the log is told of it beside the sealing.
      const held = known
      const [found] = yield* Effect.flatMap(placesFrom(held.sequence), decodePlaces)
      if (held.sequence > 0 && (found?.known == null || Buffer.compare(found.known, held.link) !== 0)) {
        return yield* refuse(`event ${held.sequence} was changed or is gone`)
      }
      if (found !== undefined && found.last !== (found.signed ?? 0)) {
        return yield* refuse(
          `it has seals up to ${found.last} and the last checkpoint is of ${found.signed ?? 0}`
        )
      }
      if (found == null || found.signed === null) return undefined
      const { checkpoint } = found
      if (checkpoint === null) return yield* refuse(`the seal of event ${found.signed} is gone`)
      const { at, key_id, link, sequence } = checkpoint
      if (sequence !== held.sequence) {
        const signer =
          key_id === key.verifying.id
            ? Result.succeed(key.verifying)
            : readVerifyingKey(found.public_key ?? "")
        if (Result.isFailure(signer) || !isSignedWith(signer.success, checkpoint)) {
          return yield* refuse(`the signature of the checkpoint of event ${sequence} is not good`)
        }
        if (key_id !== key.verifying.id && !others.has(key_id)) {
          others.add(key_id)
          yield* Effect.logInfo(`The audit trail was signed by another instance, with the key ${key_id}`)
        }
      }
      const place: Place = { sequence, link: Buffer.from(link, "hex") }
      known = place
      return {
        ...place,
        at,
        keyId: key_id,
        digest: checkpointDigest(checkpoint),
        horizon: found.horizon ?? 0n
      } satisfies Head as Head
    }),
    /** What was sealed, once it is committed. */
    remember: (place: Place): void => {
      known = place
    }
  }
}

/** What a line of the log says of the head, for whoever keeps the log where the database's owner can't change it. */
export const anchorOf = ({ keyId, link, sequence }: Head): string =>
  `The audit trail is sealed to event ${sequence}, link ${asHex(link)}, signed with the key ${keyId}`
