import { STATUS_CODES } from "node:http"
import { Option, Predicate, Schema } from "effect"
import { Uuid } from "../../domain/Ids.ts"

/**
 * The closed table of what counts as Tasker's error document: status and form. A write that is answered with
 * an error status and any other body may have been executed, or may still be, since a proxy can have answered in
 * Tasker's place. `docs/TASKER_API.md` is generated from this table.
 */

export type Meaning =
  | "rejected"
  | "unauthorized"
  | "no_access"
  | "owner_not_member"
  | "not_found"
  | "no_such_call"
  | "conflict"
  | "exists"
  | "rate_limited"
  /** Says neither that it was executed nor that it was not. */
  | "unclear"

/** The form of a body. Further fields are ignored, except in `Fields`. */
export type Form =
  /** `field` holds exactly one of these texts. */
  | { readonly _tag: "Text"; readonly field: "error" | "detail"; readonly texts: ReadonlyArray<string> }
  /** `error` holds any text but a reason phrase of HTTP, which frameworks of proxies put there. */
  | { readonly _tag: "AnyError" }
  /** `error` holds any text, and `id` the UUID of what exists. */
  | { readonly _tag: "ErrorWithId" }
  /** Every key is a field of the request or `non_field_errors`, every value a list or an object. */
  | { readonly _tag: "Fields" }
  | { readonly _tag: "ErrorCode"; readonly code: number }

export interface Row {
  readonly statuses: ReadonlyArray<number>
  /** Calls to which the row applies: `make` is a create or a comment, `other` every other call. */
  readonly calls: "all" | "make" | "other"
  readonly form: Form
  readonly means: Meaning
  /** `contract`: `{error, detail?, fields?}`. `plane`: as Plane was measured to answer. */
  readonly from: "contract" | "plane"
  readonly example: Readonly<Record<string, unknown>>
}

/** Codes by which Tasker says no; they are compared to the letter. */
export const errorCodes = [
  "invalid",
  "refused",
  "actor_mismatch",
  "too_large",
  "unauthorized",
  "forbidden",
  "owner_not_member",
  "not_found",
  "conflict",
  "already_exists",
  "rate_limited"
] as const

const code = (...texts: ReadonlyArray<string>): Form => ({ _tag: "Text", field: "error", texts })
const detail = (text: string): Form => ({ _tag: "Text", field: "detail", texts: [text] })
const codes = code(...errorCodes)

/** The first row that fits decides. */
export const errorTable: ReadonlyArray<Row> = [
  {
    statuses: [400, 413, 422],
    calls: "all",
    form: codes,
    means: "rejected",
    from: "contract",
    example: { error: "invalid", detail: "name: Too long.", fields: { name: ["Too long."] } }
  },
  {
    statuses: [413],
    calls: "all",
    form: code("REQUEST_BODY_TOO_LARGE"),
    means: "rejected",
    from: "plane",
    example: {
      error: "REQUEST_BODY_TOO_LARGE",
      detail: "The size of the request body exceeds the maximum allowed size."
    }
  },
  {
    statuses: [400],
    calls: "all",
    form: { _tag: "Fields" },
    means: "rejected",
    from: "plane",
    example: {
      labels: { "0": ['Invalid pk "00000000-0000-4000-8000-000000000000" - object does not exist.'] },
      non_field_errors: ["Start date cannot exceed target date"]
    }
  },
  {
    // Plane answers so for a card that is not there any more, and also for a comment that it stored.
    statuses: [400],
    calls: "make",
    form: code("The payload is not valid"),
    means: "unclear",
    from: "plane",
    example: { error: "The payload is not valid" }
  },
  {
    statuses: [403],
    calls: "all",
    form: code("owner_not_member"),
    means: "owner_not_member",
    from: "contract",
    example: { error: "owner_not_member" }
  },
  {
    statuses: [403],
    calls: "all",
    form: code("unauthorized"),
    means: "unauthorized",
    from: "contract",
    example: { error: "unauthorized" }
  },
  {
    statuses: [401, 403],
    calls: "all",
    form: detail("Given API token is not valid"),
    means: "unauthorized",
    from: "plane",
    example: { detail: "Given API token is not valid" }
  },
  {
    statuses: [401],
    calls: "all",
    form: detail("Authentication credentials were not provided."),
    means: "unauthorized",
    from: "plane",
    example: { detail: "Authentication credentials were not provided." }
  },
  {
    statuses: [401],
    calls: "all",
    form: codes,
    means: "unauthorized",
    from: "contract",
    example: { error: "unauthorized", detail: "The bearer token is missing or wrong." }
  },
  {
    statuses: [403],
    calls: "all",
    form: codes,
    means: "no_access",
    from: "contract",
    example: { error: "forbidden" }
  },
  {
    statuses: [403],
    calls: "all",
    form: detail("You do not have permission to perform this action."),
    means: "no_access",
    from: "plane",
    example: { detail: "You do not have permission to perform this action." }
  },
  {
    statuses: [404],
    calls: "all",
    form: codes,
    means: "not_found",
    from: "contract",
    example: { error: "not_found", detail: "No such card." }
  },
  {
    statuses: [404],
    calls: "all",
    form: code("The requested resource does not exist."),
    means: "not_found",
    from: "plane",
    example: { error: "The requested resource does not exist." }
  },
  {
    statuses: [404],
    calls: "all",
    form: code("Page not found."),
    means: "no_such_call",
    from: "plane",
    example: { error: "Page not found." }
  },
  {
    statuses: [409],
    calls: "make",
    form: { _tag: "ErrorWithId" },
    means: "exists",
    from: "contract",
    example: { error: "already_exists", id: "33333333-3333-4333-8333-333333333333" }
  },
  {
    statuses: [409],
    calls: "other",
    form: { _tag: "AnyError" },
    means: "conflict",
    from: "contract",
    example: { error: "conflict", detail: "The card was changed since." }
  },
  {
    statuses: [429],
    calls: "all",
    form: { _tag: "AnyError" },
    means: "rate_limited",
    from: "contract",
    example: { error: "rate_limited" }
  },
  {
    statuses: [429],
    calls: "all",
    form: { _tag: "ErrorCode", code: 5900 },
    means: "rate_limited",
    from: "plane",
    example: { error_code: 5900, error_message: "RATE_LIMIT_EXCEEDED" }
  }
]

/** The request that was answered, as far as the table depends on it. */
export interface Asked {
  /** Names of the fields of its body. */
  readonly fields: ReadonlyArray<string>
  /** True for a create or a comment. */
  readonly makes: boolean
}

export type ErrorDocument =
  | { readonly means: Exclude<Meaning, "exists"> }
  | { readonly means: "exists"; readonly id: typeof Uuid.Type }

/** Reads Tasker's error document from a status and the JSON of its body; undefined if it is none. */
export const documentOf = (status: number, body: unknown, asked: Asked): ErrorDocument | undefined => {
  if (!Predicate.isObject(body)) return undefined
  const fields: Readonly<Record<PropertyKey, unknown>> = body
  const row = errorTable.find(
    ({ calls, form, statuses }) =>
      statuses.includes(status) &&
      (calls === "all" || (calls === "make") === asked.makes) &&
      fits(form, fields, asked)
  )
  if (row === undefined) return undefined
  if (row.means !== "exists") return { means: row.means }
  return Option.getOrUndefined(Option.map(decodeId(fields.id), (id) => ({ means: "exists" as const, id })))
}

const decodeId = Schema.decodeUnknownOption(Uuid)

const reasonPhrases: ReadonlySet<string> = new Set(
  Object.values(STATUS_CODES).filter((phrase) => phrase !== undefined)
)

const fits = (form: Form, body: Readonly<Record<PropertyKey, unknown>>, asked: Asked): boolean => {
  switch (form._tag) {
    case "Text": {
      const text = body[form.field]
      return typeof text === "string" && form.texts.includes(text)
    }
    case "AnyError":
      return typeof body.error === "string" && !reasonPhrases.has(body.error)
    case "ErrorWithId":
      return typeof body.error === "string"
    case "Fields": {
      const faults = Object.entries(body)
      const known = [...asked.fields, "non_field_errors"]
      return (
        faults.length > 0 &&
        faults.every(([field, fault]) => known.includes(field) && typeof fault === "object" && fault !== null)
      )
    }
    case "ErrorCode":
      return body.error_code === form.code
  }
}
