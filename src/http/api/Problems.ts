import { Schema, SchemaTransformation } from "effect"
import { HttpApiMiddleware, HttpApiSchema } from "effect/http-api"
import type { Failure } from "../../domain/Failure.ts"
import { isFailure } from "../Problem.ts"

/** How a failure reads outside of `/mcp`: RFC 9457, with the code that `docs#<code>` explains. */
const ProblemDocument = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  code: Schema.String,
  request_id: Schema.String,
  retryable: Schema.Boolean,
  errors: Schema.optionalKey(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
}).annotate({ identifier: "Problem", description: "RFC 9457. Further members depend on the code." })

const documentedAt = (status: number) =>
  ProblemDocument.pipe(
    Schema.decodeTo(
      Schema.declare<Failure>(isFailure),
      SchemaTransformation.transform<Failure, typeof ProblemDocument.Type>({
        decode: () => {
          throw new Error("A problem document is not turned back into a failure")
        },
        encode: () => {
          throw new Error("Failures become problem documents in http/Problem.ts alone")
        }
      })
    ),
    HttpApiSchema.asJson({ contentType: "application/problem+json" }),
    HttpApiSchema.status(status)
  )

const schemas = new Map<number, ReturnType<typeof documentedAt>>()

/**
 * Failures at these statuses, as something declares that it may fail with them: for the types of
 * handlers, and for OpenAPI. The documents themselves are written by the layer of `Problems`.
 */
export const failures = (...statuses: ReadonlyArray<number>) =>
  statuses.map((status) => {
    const schema = schemas.get(status) ?? documentedAt(status)
    schemas.set(status, schema)
    return schema
  })

/** Turns what a handler fails with, and what does not decode, into problem documents. */
export class Problems extends HttpApiMiddleware.Service<Problems>()("tasker-codex-api/http/api/Problems", {
  error: failures(404, 422, 429, 500, 503)
}) {}
