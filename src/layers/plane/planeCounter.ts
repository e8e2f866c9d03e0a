import { hash } from "node:crypto"
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Redacted, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { KeyWindow } from "./planeWindow.ts"

/** The windows of all keys, in rows that every instance shares. */
export interface Counter {
  /**
   * Replaces the windows by what `change` makes of them, under a lock. `now` is the database's second. The
   * windows are in the order of the keys.
   */
  readonly update: <A>(
    change: (windows: ReadonlyArray<KeyWindow>, now: number) => readonly [ReadonlyArray<KeyWindow>, A]
  ) => Effect.Effect<A, SqlError | Schema.SchemaError>
}

const Row = Schema.Struct({
  key_sha256: Schema.String,
  made: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])),
  held_until: Schema.Int,
  now: Schema.Int
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** An instance that does not go on with its count for so long loses it, and the lock. */
export const longestIdleMillis = 1000

/** Counts by the SHA-256 of each key; the keys themselves are not stored. */
export const make = Effect.fnUntraced(function* (
  keys: ReadonlyArray<Redacted.Redacted<string>>
): Effect.fn.Return<Counter, never, PgClient> {
  const sql = yield* PgClient
  const hashes = keys.map((key) => hash("sha256", Redacted.value(key), "hex"))

  // The row is locked over several statements. An instance that stands still in between would stop all others.
  const rows = Effect.flatMap(
    sql`
      select encode(key_sha256, 'hex') as key_sha256, made,
        coalesce(ceil(extract(epoch from held_until)), 0)::int as held_until,
        floor(extract(epoch from clock_timestamp()))::int as now,
        set_config('idle_in_transaction_session_timeout', ${`${longestIdleMillis}ms`}, true)
      from plane_budgets
      where encode(key_sha256, 'hex') in ${sql.in(hashes)}
      order by key_sha256
      for update`,
    decodeRows
  )

  const insert = sql`
    insert into plane_budgets (key_sha256)
    select decode(value, 'hex') from jsonb_array_elements_text(${sql.json(hashes)}::jsonb)
    on conflict do nothing`

  const put = (key: string, { heldUntil, made }: KeyWindow) => sql`
    update plane_budgets set made = ${sql.json(made)}::jsonb,
      held_until = ${heldUntil === 0 ? null : new Date(heldUntil * 1000)}
    where key_sha256 = decode(${key}, 'hex')`

  return {
    update: (change) =>
      Effect.gen(function* () {
        let found = yield* rows
        if (found.length < hashes.length) {
          yield* insert
          found = yield* rows
        }
        const windows = hashes.map((key): KeyWindow => {
          const row = found.find(({ key_sha256 }) => key_sha256 === key)
          return { made: row?.made ?? [], heldUntil: row?.held_until ?? 0 }
        })
        const now = Math.max(...found.map((row) => row.now))
        const [changed, result] = change(windows, now)
        for (const [index, window] of changed.entries()) {
          const key = hashes[index]
          if (key !== undefined && window !== windows[index]) yield* put(key, window)
        }
        return result
      }).pipe(sql.withTransaction)
  }
})
