/**
 * How long a text takes to be converted, by a look at each character once: what a parser does for a sign that
 * may be structure, and for any other character, as it was measured on a slow machine. Signs in a short text
 * only: their cost grows with their number in a longer one.
 */
const microsFor = { character: 1, sign: 60 }

/** Longest text that is worth a look. */
export const longestCheap = 4096

/** All of ASCII but letters, digits, and the space, comma and quotes between them. */
const isSign = (code: number): boolean =>
  code < 0x80 &&
  !(
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x20 ||
    code === 0x22 ||
    code === 0x27 ||
    code === 0x2c
  )

/** Returns the estimate in microseconds of CPU time. */
export const conversionMicros = (text: string): number => {
  if (text.length > longestCheap) return Number.POSITIVE_INFINITY
  let signs = 0
  for (let at = 0; at < text.length; at++) if (isSign(text.charCodeAt(at))) signs += 1
  return microsFor.character * text.length + microsFor.sign * signs
}
