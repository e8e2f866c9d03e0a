import { Data } from "effect"

/** Ends a request with a response other than success, in one of the forms that were measured. */
export class Denial extends Data.TaggedError("Denial")<{
  readonly status: number
  readonly body: string
}> {}

const denial = (status: number, body: unknown) => new Denial({ status, body: JSON.stringify(body) })

/** Makes the form of access, paging and parsing errors. */
export const detail = (status: number, text: string) => denial(status, { detail: text })

/** Makes the form of missing resources, conflicts and internal errors. */
export const error = (status: number, text: string, more: Readonly<Record<string, unknown>> = {}) =>
  denial(status, { error: text, ...more })

/** Makes the form of invalid fields. */
export const fields = (wrong: Readonly<Record<string, unknown>>) => denial(400, wrong)

/** Makes the form of rules that are about no single field. */
export const rule = (text: string) => fields({ non_field_errors: [text] })

export const unauthenticated = detail(401, "Authentication credentials were not provided.")
export const badKey = detail(403, "Given API token is not valid")
export const forbidden = detail(403, "You do not have permission to perform this action.")
export const missing = error(404, "The requested resource does not exist.")
/** Answers a `created_at` that is no time, after the write was carried out. */
export const invalidDetail = error(400, "Please provide valid detail")
export const internal = error(500, "Something went wrong please try again later")

/** Spelled with spaces, as measured: it is answered before the API framework sees the request. */
export const noSuchPath = new Denial({ status: 404, body: '{"error": "Page not found."}' })
export const tooLarge = new Denial({
  status: 413,
  body: '{"error": "REQUEST_BODY_TOO_LARGE", "detail": "The size of the request body exceeds the maximum allowed size."}'
})
