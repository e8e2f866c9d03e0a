import { Effect, Schema } from "effect"
import { defaultLimit } from "./Calls.ts"
import { Instant, Uuid } from "./Fields.ts"
import { invalidField, type Refusal } from "./Refusal.ts"
import type { Switches } from "./Switches.ts"

/** Where a page ended: the time and the id of its last row. Clients are given it as an opaque text. */
const Position = Schema.fromJsonString(Schema.Tuple([Instant, Uuid]))
const decode = Schema.decodeUnknownEffect(Position)

interface Row {
  readonly id: string
  readonly created_at: string
}

/** Where a page begins, and how a cursor to the next one is made. */
export interface Paging {
  readonly limit: number
  /** Rows that are skipped. */
  readonly offset: number
  /** The time and id that the page comes after. */
  readonly after: readonly [at: string, id: string] | undefined
  readonly next: (last: Row) => string
}

const invalidCursor = invalidField("cursor", "Expected a next_cursor of an earlier page", {
  detail: "Invalid cursor parameter."
})

/**
 * Reads `cursor` and `limit`. A page number is multiplied by the limit of this request, not by the limit under
 * which the cursor was given: under another limit the page begins elsewhere.
 */
export const pagingOf = (
  query: { readonly cursor?: string; readonly limit?: number },
  { page_by_request }: Pick<Switches, "page_by_request">
): Effect.Effect<Paging, Refusal> => {
  const { cursor, limit = defaultLimit } = query
  if (page_by_request) {
    const [, number] = /^\d{1,9}:(\d{1,9}):0$/.exec(cursor ?? `${limit}:0:0`) ?? []
    if (number === undefined) return Effect.fail(invalidCursor)
    const page = Number(number)
    const next = () => `${limit}:${page + 1}:0`
    return Effect.succeed({ limit, offset: page * limit, after: undefined, next })
  }
  const next = ({ created_at, id }: Row) =>
    Buffer.from(JSON.stringify([created_at, id])).toString("base64url")
  const keyset = { limit, offset: 0, next }
  if (cursor === undefined) return Effect.succeed({ ...keyset, after: undefined })
  return Effect.mapBoth(decode(Buffer.from(cursor, "base64url").toString()), {
    onFailure: () => invalidCursor,
    onSuccess: (after) => ({ ...keyset, after })
  })
}
