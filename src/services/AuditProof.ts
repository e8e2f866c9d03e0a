import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { Checkpoint } from "../domain/AuditChain.ts"
import type { GatewayUnavailable, InputInvalid } from "../domain/Failure.ts"
import { Instant } from "../domain/Principal.ts"

/** The public half of a key that signs or signed the trail. */
export const PublishedKey = Schema.Struct({
  key_id: Schema.String,
  /** DER (SubjectPublicKeyInfo) in base64. */
  public_key: Schema.String,
  created_at: Instant
})
export type PublishedKey = typeof PublishedKey.Type

/** What stands in the trail and is not sealed yet. */
export interface Unsealed {
  /** Counted up to `mostCounted`, which therefore means that many or more. */
  readonly events: number
  /** How long ago the one that waits longest came about; 0 where none waits. */
  readonly oldestSeconds: number
}

export const mostCounted = 10_000

/** A part of the trail by when it was sealed, `from` included and `to` not; everything where neither is given. */
export interface Part {
  readonly from: string | undefined
  readonly to: string | undefined
}

/**
 * What proves the audit trail: the chain of its events and the signed checkpoints, which the sealer
 * writes a few seconds behind the events themselves.
 */
export class AuditProof extends Context.Service<
  AuditProof,
  {
    /** The newest checkpoint, which every sealed event is under; none before the first event was sealed. */
    readonly latest: Effect.Effect<Option.Option<Checkpoint>, GatewayUnavailable>
    /** All keys that ever signed, and that of every instance that could; oldest first. */
    readonly keys: Effect.Effect<ReadonlyArray<PublishedKey>, GatewayUnavailable>
    readonly unsealed: Effect.Effect<Unsealed, GatewayUnavailable>
    /**
     * An export, in pieces of whole lines as `domain/AuditExport.ts` has them. What it holds is settled
     * before the first: a part ends with a checkpoint, so it is signed to its last event and verifies by itself.
     * Read in batches as the reader takes them; no transaction stays open meanwhile. Fails where `to` is still
     * to come: what will be sealed until then would be in neither this part nor the next.
     */
    readonly export: (
      part: Part
    ) => Effect.Effect<Stream.Stream<string, GatewayUnavailable>, GatewayUnavailable | InputInvalid>
  }
>()("tasker-codex-api/services/AuditProof") {}
