import { longestLine } from "./AuditExport.ts"

/** Cuts bytes that come in pieces into lines, and keeps no more of them than a line that is not yet whole. */
export interface Lines<Stop> {
  /** The next piece. Ends early with what a line came to, if it came to something. */
  readonly push: (piece: Uint8Array) => Stop | undefined
  /** Nothing more comes: what is left without a line feed is a line too, which says of itself that it is cut. */
  readonly end: () => Stop | undefined
}

const lineFeed = 0x0a

/** `take` is given each line without its line feed; of one that has none, or is too long, with something that no line ends in. */
export const linesOf = <Stop>(take: (line: Buffer) => Stop | undefined): Lines<Stop> => {
  let rest = Buffer.alloc(0)
  const cut = () => take(Buffer.concat([rest, Buffer.from("\0")]))
  return {
    push: (piece) => {
      const bytes =
        rest.length === 0
          ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
          : Buffer.concat([rest, piece])
      let start = 0
      for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, start)) {
        const stop = at - start > longestLine ? cut() : take(bytes.subarray(start, at))
        if (stop !== undefined) return stop
        start = at + 1
      }
      // A copy, so that the whole piece is not kept for the sake of its last bytes.
      rest = Buffer.from(bytes.subarray(start))
      return rest.length > longestLine ? cut() : undefined
    },
    end: () => (rest.length === 0 ? undefined : cut())
  }
}
