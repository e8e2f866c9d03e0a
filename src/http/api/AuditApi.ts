import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Checkpoint } from "../../domain/AuditChain.ts"
import { PublishedKey } from "../../services/AuditProof.ts"
import { instant } from "../fields.ts"
import { InternalAccess } from "./Access.ts"
import { strict } from "./Lifecycle.ts"
import { failures } from "./Problems.ts"

/** What proves the audit trail, for those who keep it elsewhere and verify it: `docs/AUDIT.md`. */

export const ndjson = "application/x-ndjson"

export const AuditApi = HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("exportAudit", "/audit/export", {
      query: { from: Schema.optionalKey(instant), to: Schema.optionalKey(instant) },
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: ndjson })),
      error: failures(400)
    }).annotate(
      OpenApi.Description,
      "The sealed trail as lines of JSON: events with their sequence numbers, hashes and links, the checkpoints and the public keys. `from` (included) and `to` (not) are instants of sealing, as checkpoints have them; without them everything is given. A part begins after the last checkpoint before `from` and ends with the last one before `to`, which has to be over, so it verifies by itself, and parts that meet in time meet in the trail. Verify it with `npm run audit:verify -- <file>`."
    ),
    HttpApiEndpoint.get("latestCheckpoint", "/audit/checkpoints/latest", {
      success: Schema.Struct({ checkpoint: Schema.NullOr(Checkpoint) })
    }).annotate(
      OpenApi.Description,
      "The newest signed checkpoint, null before the first event was sealed. Kept elsewhere, it shows later whether anything up to it was changed, or cut off at the end."
    ),
    HttpApiEndpoint.get("listAuditKeys", "/audit/keys", {
      success: Schema.Struct({ keys: Schema.Array(PublishedKey) })
    }).annotate(
      OpenApi.Description,
      "The public keys that sign and signed the trail, oldest first. To be kept elsewhere: a verifier that takes them from the export itself can't tell who signed."
    )
  )
  .middleware(InternalAccess)
  .prefix("/api/v1")
  .annotate(HttpApi.QueryParseOptions, strict)
  .annotateMerge(OpenApi.annotations({ title: "Audit proof", description: "For operators and auditors." }))
