import { Option, Schema } from "effect"
import type { LimitReached } from "../domain/Failure.ts"

/** What a `limit.rate` failure says of its limit, beside when to come back. */
const Details = Schema.Struct({
  limit: Schema.Struct({
    /** A name of the limit, of letters, digits and `_`. */
    policy: Schema.String.check(Schema.isPattern(/^\w+$/)),
    quota: Schema.Int,
    window_seconds: Schema.Int,
    remaining: Schema.Int
  }),
  retry_after_seconds: Schema.Finite
})

const decode = Schema.decodeUnknownOption(Details)

/**
 * `RateLimit-Policy` (what the limit is) and `RateLimit` (what is left of it) as structured fields, by
 * draft-ietf-httpapi-ratelimit-headers; none where the failure is not about a rate. Sent with
 * refusals only: a client that is within its rate has nothing to do about it.
 */
export const rateHeaders = (failure: LimitReached): Readonly<Record<string, string>> =>
  Option.match(decode(failure.details), {
    onNone: () => ({}),
    onSome: ({ limit, retry_after_seconds }) => ({
      "ratelimit-policy": `"${limit.policy}";q=${limit.quota};w=${limit.window_seconds}`,
      ratelimit: `"${limit.policy}";r=${limit.remaining};t=${Math.max(0, Math.ceil(retry_after_seconds))}`
    })
  })
