import { Effect, Option, Stream } from "effect"
import * as Response from "effect/http/HttpServerResponse"
import { HttpApiBuilder } from "effect/http-api"
import { AuditProof } from "../../services/AuditProof.ts"
import { Api } from "./Api.ts"
import { ndjson } from "./AuditApi.ts"

export const layer = HttpApiBuilder.group(Api, "audit", (group) =>
  Effect.gen(function* () {
    const proof = yield* AuditProof

    return group
      .handleRaw("exportAudit", ({ query }) =>
        // A database that goes away in the middle cuts the connection; the last line says what a whole export is.
        Effect.map(proof.export({ from: query.from, to: query.to }), (text) =>
          Response.stream(Stream.encodeText(text), { contentType: ndjson })
        )
      )
      .handle("latestCheckpoint", () =>
        Effect.map(proof.latest, (checkpoint) => ({ checkpoint: Option.getOrNull(checkpoint) }))
      )
      .handle("listAuditKeys", () => Effect.map(proof.keys, (keys) => ({ keys })))
  })
)
