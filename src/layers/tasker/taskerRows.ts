import { Effect, Result } from "effect"

/**
 * Reads a long JSON object with an array of rows slice by slice, so that a reply of 8 MiB does not hold up the
 * event loop: the rows are found by their bytes, then parsed and decoded one by one.
 */

/** Replies up to this length are parsed at once. */
export const parsedAtOnce = 128 * 1024

/** Bytes that are scanned or parsed without letting other fibers run. */
const sliceLength = 128 * 1024

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

interface Rows {
  /** The object with an empty array in place of the rows. */
  readonly rest: Buffer
  readonly rows: ReadonlyArray<Buffer>
}

/**
 * Finds the elements of the array under `key` at the top of a JSON object. Undefined if there is no such array,
 * or more than one. Checks nothing else: text that is no JSON comes out as parts of which one does not parse.
 */
const splitRows = Effect.fnUntraced(function* (bytes: Buffer, key: string) {
  const wanted = JSON.stringify(key)
  const rows: Array<Buffer> = []
  let [depth, start, end, rowStart, nextPause] = [0, -1, -1, -1, sliceLength]
  /** The last text at the top level, which a colon makes a key. */
  let text = ""
  let isWanted = false
  for (let at = 0; at < bytes.length; at++) {
    if (at >= nextPause) {
      yield* Effect.yieldNow
      nextPause = at + sliceLength
    }
    switch (bytes[at]) {
      case quote: {
        const close = endOfText(bytes, at)
        if (close < 0) return undefined
        if (depth === 1) text = bytes.toString("latin1", at, close + 1)
        at = close
        break
      }
      case colon:
        if (depth === 1) isWanted = text === wanted
        break
      case comma:
        if (depth === 1) isWanted = false
        if (depth === 2 && start >= 0 && end < 0) {
          rows.push(bytes.subarray(rowStart, at))
          rowStart = at + 1
        }
        break
      case openBracket:
      case openBrace:
        if (depth === 1 && isWanted && bytes[at] === openBracket) {
          if (start >= 0) return undefined
          start = at
          rowStart = at + 1
        }
        depth++
        break
      case closeBracket:
      case closeBrace:
        depth--
        if (depth === 1 && start >= 0 && end < 0) {
          end = at
          const last = bytes.subarray(rowStart, at)
          if (rows.length > 0 || last.toString("latin1").trim() !== "") rows.push(last)
        }
        break
    }
  }
  return end < 0
    ? undefined
    : ({
        rest: Buffer.concat([bytes.subarray(0, start + 1), bytes.subarray(end)]),
        rows
      } satisfies Rows as Rows)
})

/** Where the text that begins at a quotation mark ends; -1 if it does not. */
const endOfText = (bytes: Buffer, open: number): number => {
  for (let at = bytes.indexOf(quote, open + 1); at >= 0; at = bytes.indexOf(quote, at + 1)) {
    let escapes = 0
    while (bytes[at - 1 - escapes] === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
  return -1
}

/** How a value is read row by row. */
export interface ByRow<A> {
  /** Name of the array at the top of the object. */
  readonly key: string
  readonly begin: () => {
    /** Decodes one row. Returns the fault in it, if there is one. */
    readonly add: (row: unknown) => string | undefined
    /** Decodes the object, whose array is empty, and puts the rows in. */
    readonly end: (rest: unknown) => Result.Result<A, string>
  }
}

export const byRow = <Row, Rest, A>(
  key: string,
  decodeRow: (row: unknown) => Result.Result<Row, string>,
  decodeRest: (rest: unknown) => Result.Result<Rest, string>,
  join: (rows: ReadonlyArray<Row>, rest: Rest) => A
): ByRow<A> => ({
  key,
  begin: () => {
    const rows: Array<Row> = []
    return {
      add: (row) => {
        const decoded = decodeRow(row)
        if (Result.isFailure(decoded)) return decoded.failure
        rows.push(decoded.success)
        return undefined
      },
      end: (rest) => Result.map(decodeRest(rest), (decoded) => join(rows, decoded))
    }
  }
})

/** Returns undefined if the bytes have to be read at once: they hold no such rows. */
export const readByRow = Effect.fnUntraced(function* <A>(
  bytes: Uint8Array,
  { begin, key }: ByRow<A>,
  parse: (bytes: Uint8Array) => Result.Result<unknown, string>
): Effect.fn.Return<Result.Result<A, string> | undefined> {
  const split = yield* splitRows(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), key)
  if (split === undefined) return undefined
  const reading = begin()
  let length = 0
  for (const row of split.rows) {
    const json = parse(row)
    const fault = Result.isFailure(json) ? json.failure : reading.add(json.success)
    if (fault !== undefined) return Result.fail(fault)
    length += row.length
    if (length >= sliceLength) {
      yield* Effect.yieldNow
      length = 0
    }
  }
  return Result.flatMap(parse(split.rest), reading.end)
})
