import { Effect, Schema } from "effect"
import { Instant, Uuid } from "./Fields.ts"
import { invalidField } from "./Refusal.ts"

/** Where a page ended: the time and the id of its last row. Clients are given it as an opaque text. */
const Position = Schema.fromJsonString(Schema.Tuple([Instant, Uuid]))
const decode = Schema.decodeUnknownEffect(Position)

export const toCursor = (at: string, id: string) =>
  Buffer.from(JSON.stringify([at, id])).toString("base64url")

export const fromCursor = (cursor: string) =>
  Effect.mapError(decode(Buffer.from(cursor, "base64url").toString()), () =>
    invalidField("cursor", "Expected a next_cursor of an earlier page")
  )
