import { Effect, Result, Schema } from "effect"
import type { InputInvalid } from "../../domain/Failure.ts"
import { invalidInput } from "../../domain/inputs.ts"
import type { Page } from "../../domain/Page.ts"

/**
 * Lists are cut by position, not by number: a page begins right after the row that the one before
 * ended with, whatever was added meanwhile. A cursor is that row's position, opaque to its carrier.
 */

const cursorOf = (position: string): string => Buffer.from(position).toString("base64url")

/** Where a page begins: undefined for the first. A cursor that no list gave is refused, not guessed at. */
export const positionOf = <A>(position: Schema.Codec<A, string>) => {
  const decode = Schema.decodeUnknownResult(position)
  return (cursor: string | undefined): Effect.Effect<A | undefined, InputInvalid> => {
    if (cursor === undefined) return Effect.succeed(undefined)
    const decoded = decode(Buffer.from(cursor, "base64url").toString())
    return Result.isSuccess(decoded)
      ? Effect.succeed(decoded.success)
      : Effect.fail(
          invalidInput(
            "cursor",
            "Expected a next_cursor of this list; leave it out to start with the newest."
          )
        )
  }
}

/** A page of rows that were asked for with one more than `limit`, which shows whether there is a next. */
export const take = <A, Row extends { readonly item: A }>(
  rows: ReadonlyArray<Row>,
  limit: number,
  position: (row: Row) => string
): Page<Row["item"]> => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map((row) => row.item),
    next_cursor: rows.length > limit && last !== undefined ? cursorOf(position(last)) : null
  }
}
