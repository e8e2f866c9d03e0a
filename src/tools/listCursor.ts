import { hash } from "node:crypto"
import { Effect, Result, Schema, SchemaParser } from "effect"
import { canonicalJson } from "../domain/CanonicalJson.ts"
import { type InputInvalid, TaskerFailure } from "../domain/Failure.ts"
import { invalidInput, wholesome } from "../domain/inputs.ts"

/**
 * The gateway's own cursor: where a list goes on, as base64url of JSON. It carries the limit and the cursor
 * under which Tasker gave the page that holds the last card shown, since Tasker's cursor may be a page number
 * that means something else under another limit. A client may send anything, so each part is decoded and
 * bounded; none of it decides what the client may see.
 */

/** Longest cursor that a client is given or may send. */
export const maxCursorLength = 1024

/** Pages before the current one that a cursor remembers. */
export const rememberedPages = 3

/** Longest cursor of Tasker's in bytes of JSON, so that one of ours that holds it is never too long. */
const maxTaskerCursor = 500

const maxInstant = 40

/** Null for the first page. */
const PageCursor = Schema.NullOr(Schema.String.check(Schema.isBetweenLength(1, maxTaskerCursor), wholesome))

/** Order of `created_at` in a list, as far as it was seen; `mixed` if it follows another field. */
const Order = Schema.Literals(["newest", "oldest", "mixed"])
export type Order = typeof Order.Type

const ListCursor = Schema.Struct({
  /** Fingerprint of the list that the cursor belongs to. */
  list: Schema.String.check(Schema.isMaxLength(16)),
  /** Tasker's limit for all pages of this list. */
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  /** The page that holds the border. */
  page: PageCursor,
  /** The page after it, if the border is the last item of its page. */
  next: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(maxTaskerCursor), wholesome)),
  /** Pages before it, nearest first. */
  earlier: Schema.Array(PageCursor).check(Schema.isMaxLength(rememberedPages)),
  /** Id and `created_at` of the last item that was looked at; absent if there was none. */
  border: Schema.optionalKey(
    Schema.Tuple([
      Schema.String.check(Schema.isBetweenLength(1, 64), wholesome),
      Schema.String.check(Schema.isBetweenLength(1, maxInstant), wholesome)
    ])
  ),
  order: Schema.optionalKey(Order)
})
export type ListCursor = typeof ListCursor.Type

const decode = SchemaParser.decodeUnknownResult(Schema.fromJsonString(ListCursor), {
  onExcessProperty: "error"
})

/** Fingerprint of a list: cards or comments, of which project or card, under which filters. */
export const listFingerprint = (list: object): string =>
  hash("sha256", canonicalJson(list), "buffer").subarray(0, 9).toString("base64url")

const encode = (cursor: ListCursor): string => Buffer.from(JSON.stringify(cursor)).toString("base64url")

/** Returns the text of a cursor. Leaves out what only saves reads or helps after a deletion if it is too long. */
export const encodeCursor = (cursor: ListCursor): string => {
  const { next: _, ...rest } = cursor
  const shorter = [
    ...cursor.earlier.map((_, n) => ({
      ...cursor,
      earlier: cursor.earlier.slice(0, cursor.earlier.length - n)
    })),
    { ...cursor, earlier: [] }
  ]
  return (
    shorter.map(encode).find(({ length }) => length <= maxCursorLength) ?? encode({ ...rest, earlier: [] })
  )
}

/** Fails with `tasker.contract` if Tasker's cursor is longer than ours can carry. */
export const checkTaskerCursor = (cursor: string | null): Effect.Effect<void, TaskerFailure> =>
  cursor === null || Buffer.byteLength(JSON.stringify(cursor)) <= maxTaskerCursor
    ? Effect.void
    : Effect.fail(
        new TaskerFailure({
          reason: "contract",
          message: `Tasker's next_cursor is longer than ${maxTaskerCursor} bytes, so the list can't be continued. Its operator has to fix that; repeating the call will not help.`
        })
      )

/** The border at an item of Tasker's. */
export const borderAt = ({ created_at, id }: { readonly id: string; readonly created_at: string }) =>
  [id, created_at.slice(0, maxInstant) || "-"] as const

/** Reads a cursor that a client sent for a list. Fails with `input.invalid` if that list never gave it. */
export const decodeCursor = (
  text: string | undefined,
  list: string
): Effect.Effect<ListCursor | undefined, InputInvalid> => {
  if (text === undefined) return Effect.succeed(undefined)
  const bytes = Buffer.from(text, "base64url")
  const cursor = bytes.toString("base64url") === text ? decode(bytes.toString()) : Result.fail(undefined)
  if (Result.isFailure(cursor)) return Effect.fail(foreignCursor("This is no next_cursor of this tool."))
  return cursor.success.list === list
    ? Effect.succeed(cursor.success)
    : Effect.fail(foreignCursor("This cursor belongs to another list: keep project, card and filters."))
}

export const foreignCursor = (what: string): InputInvalid =>
  invalidInput("cursor", `${what} Leave cursor out to start again.`)
