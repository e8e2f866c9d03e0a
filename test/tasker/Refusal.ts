import { Effect, Schema, SchemaIssue } from "effect"

/**
 * Tasker's way of saying no: a status and `{error, detail?, fields?, id?}`. It is the only error that
 * clients are meant to see; whatever else fails is a bare 500.
 */
export class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {
  status: Schema.Int,
  error: Schema.String,
  detail: Schema.optionalKey(Schema.String),
  /** Messages by the path of the field they are about, such as `{"actor.agent_id": ["Missing key"]}`. */
  fields: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(Schema.String))),
  id: Schema.optionalKey(Schema.String)
}) {
  get body(): Readonly<Record<string, unknown>> {
    const { error, detail, fields, id } = this
    return { error, detail, fields, id }
  }
}

export const notFound = (detail: string) => new Refusal({ status: 404, error: "not_found", detail })

export const ownerNotMember = new Refusal({
  status: 403,
  error: "owner_not_member",
  detail: "The owner is not an active member of this project."
})

export const invalidField = (field: string, message: string) =>
  new Refusal({
    status: 400,
    error: "invalid",
    detail: `${field}: ${message}`,
    fields: { [field]: [message] }
  })

/** A card or comment with this `external_source` and `external_id` is there already: its id is all that is said. */
export const alreadyExists = (id: string) => new Refusal({ status: 409, error: "already_exists", id })

/** Without an id, so that it can't be taken for `alreadyExists`. */
export const changedSince = (expected: string, actual: string) =>
  new Refusal({
    status: 409,
    error: "conflict",
    detail: `The card was changed at ${actual}; the call expected ${expected}.`
  })

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes what a client sent, or refuses it with every fault named field by field. */
export const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { errors: "all" })
  return (input: unknown): Effect.Effect<S["Type"], Refusal> =>
    Effect.mapError(decode(input), (failure) => {
      const fields: Record<string, Array<string>> = {}
      for (const { path, message } of format(failure.issue).issues) {
        const field = (path ?? []).map(String).join(".") || "body"
        fields[field] = [...(fields[field] ?? []), message]
      }
      return new Refusal({ status: 400, error: "invalid", detail: "The call is not valid.", fields })
    })
}
