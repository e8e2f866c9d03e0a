import { Effect, Predicate, Schema, SchemaIssue } from "effect"
import { type Answer, answer } from "./Answer.ts"
import type { Switches } from "./Switches.ts"

/** How errors are spelled. */
export type ErrorStyle = Pick<Switches, "plane_errors">
export const contractStyle: ErrorStyle = { plane_errors: false }

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
  id: Schema.optionalKey(Schema.String),
  /** The response of a stock Plane, as measured, if it differs. */
  plane: Schema.optionalKey(Schema.Struct({ status: Schema.Int, body: Schema.Unknown }))
}) {
  answerIn({ plane_errors }: ErrorStyle): Answer {
    const { error, detail, fields, id, plane } = this
    return plane_errors && plane !== undefined
      ? answer(plane.status, plane.body)
      : answer(this.status, { error, detail, fields, id })
  }
}

export const notFound = (detail: string) =>
  new Refusal({
    status: 404,
    error: "not_found",
    detail,
    plane: { status: 404, body: { error: "The requested resource does not exist." } }
  })

export const noSuchProject = new Refusal({
  status: 404,
  error: "not_found",
  detail: "No such project.",
  plane: { status: 403, body: { detail: "You do not have permission to perform this action." } }
})

export const noSuchPath = new Refusal({
  status: 404,
  error: "not_found",
  detail: "No such path.",
  plane: { status: 404, body: { error: "Page not found." } }
})

const unauthorized = (detail: string, plane: { readonly status: number; readonly body: unknown }) =>
  new Refusal({ status: 401, error: "unauthorized", detail, plane })

export const noBearer = unauthorized("The bearer is missing.", {
  status: 401,
  body: { detail: "Authentication credentials were not provided." }
})

export const wrongBearer = unauthorized("The bearer is wrong.", {
  status: 403,
  body: { detail: "Given API token is not valid" }
})

export const ownerNotMember = new Refusal({
  status: 403,
  error: "owner_not_member",
  detail: "The owner is not an active member of this project."
})

export const invalidField = (field: string, message: string, planeBody: unknown = { [field]: [message] }) =>
  new Refusal({
    status: 400,
    error: "invalid",
    detail: `${field}: ${message}`,
    fields: { [field]: [message] },
    plane: { status: 400, body: planeBody }
  })

export const mayNotBeNull = "This field may not be null."

/** Refuses a field in which Plane sees a fault of the whole request. */
export const invalidTogether = (field: string, message: string) =>
  invalidField(field, message, { non_field_errors: [message] })

/** Refuses ids that no project has, by the field and the position in which they were asked for. */
export const unknownIds = (faults: ReadonlyArray<readonly [path: ReadonlyArray<string>, id: string]>) =>
  refusedFields(faults.map(([path, id]) => [path, `Invalid pk "${id}" - object does not exist.`]))

export const notJson = new Refusal({
  status: 400,
  error: "invalid",
  detail: "The body is not JSON.",
  plane: { status: 400, body: { detail: "JSON parse error - Expecting value: line 1 column 1 (char 0)" } }
})

export const tooLarge = new Refusal({
  status: 413,
  error: "too_large",
  detail: "The body could not be read to its end.",
  plane: {
    status: 413,
    body: {
      error: "REQUEST_BODY_TOO_LARGE",
      detail: "The size of the request body exceeds the maximum allowed size."
    }
  }
})

/** A card or comment with this `external_source` and `external_id` is there already: its id is all that is said. */
export const alreadyExists = (kind: "Issue" | "Work item comment", id: string | undefined) =>
  new Refusal({
    status: 409,
    error: "already_exists",
    ...(id !== undefined && { id }),
    plane: {
      status: 409,
      body: { error: `${kind} with the same external id and external source already exists`, id }
    }
  })

export const payloadInvalid = new Refusal({
  status: 404,
  error: "not_found",
  detail: "No such issue.",
  plane: { status: 400, body: { error: "The payload is not valid" } }
})

/** Without an id, so that it can't be taken for `alreadyExists`. */
export const changedSince = (expected: string, actual: string) =>
  new Refusal({
    status: 409,
    error: "conflict",
    detail: `The card was changed at ${actual}; the call expected ${expected}.`
  })

export const rateLimited = new Refusal({
  status: 429,
  error: "rate_limited",
  plane: { status: 429, body: { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" } }
})

const wentWrong = "Something went wrong please try again later"

export const failed = new Refusal({
  status: 500,
  error: "server_error",
  plane: { status: 500, body: { error: wentWrong } }
})

/** Answers a look-up that finds two: no style makes it anything other than a 500. */
export const doubled = new Refusal({ status: 500, error: wentWrong })

export const refusedOnPurpose = new Refusal({
  status: 422,
  error: "refused",
  detail: "Refused on purpose.",
  plane: { status: 400, body: { non_field_errors: ["Refused on purpose."] } }
})

type FieldFault = readonly [path: ReadonlyArray<string>, message: string]

/** Puts each message under its field; of a list, under the position in it. */
const planeFields = (faults: ReadonlyArray<FieldFault>) => {
  const body: Record<string, Array<string> | Record<string, Array<string>>> = {}
  for (const [[field = "non_field_errors", ...within], message] of faults) {
    const at = within.join(".")
    const held = body[field]
    if (at === "") body[field] = [...(Array.isArray(held) ? held : []), message]
    else if (!Array.isArray(held)) body[field] = { ...held, [at]: [...(held?.[at] ?? []), message] }
  }
  return body
}

const refusedFields = (faults: ReadonlyArray<FieldFault>, planeFaults = faults) => {
  const fields: Record<string, Array<string>> = {}
  for (const [path, message] of faults) {
    const field = path.join(".") || "body"
    fields[field] = [...(fields[field] ?? []), message]
  }
  return new Refusal({
    status: 400,
    error: "invalid",
    detail: "The call is not valid.",
    fields,
    plane: { status: 400, body: planeFields(planeFaults) }
  })
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const valueAt = (input: unknown, path: ReadonlyArray<string>) =>
  path.reduce<unknown>((value, name) => (Predicate.hasProperty(value, name) ? value[name] : undefined), input)

/** Decodes what a client sent, or refuses it with every fault named field by field. */
export const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { errors: "all" })
  return (input: unknown): Effect.Effect<S["Type"], Refusal> =>
    Effect.mapError(decode(input), (failure) => {
      const faults = format(failure.issue).issues.map(
        ({ path, message }): FieldFault => [(path ?? []).map(String), message]
      )
      const inPlanesWords = faults.map(([path, message]): FieldFault => {
        const value = valueAt(input, path)
        if (path.length === 0 || (value !== undefined && value !== null)) return [path, message]
        return [path, value === null ? mayNotBeNull : "This field is required."]
      })
      return refusedFields(faults, inPlanesWords)
    })
}
