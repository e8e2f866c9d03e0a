import { Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { iso } from "../tasker/Once.ts"

/** Says that a statement failed, or that a row does not have the form that it should. */
export type StoreError = SqlError | Schema.SchemaError

const Total = Schema.Tuple([Schema.Struct({ total: Schema.Int })])
export const decodeTotal = Schema.decodeUnknownEffect(Total)

/** Decodes rows that PostgreSQL builds as the JSON that goes out. */
const Items = Schema.Array(Schema.Struct({ item: Schema.Record(Schema.String, Schema.Unknown) }))
export const decodeItems = Schema.decodeUnknownEffect(Items)
export type Item = Readonly<Record<string, unknown>>

export const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: Schema.String })))

/** Writes a time as Plane does: microseconds in UTC, left out if they are zero. */
export const instant = (column: string) => `replace(${iso(column)}, '.000000Z', 'Z')`
