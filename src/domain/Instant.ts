/** Digits of a second's fraction below the millisecond, which `Date` drops. */
const belowMillis = (instant: string): string => (/\.\d{3}(\d+)/.exec(instant)?.[1] ?? "").padEnd(6, "0")

/**
 * Compares two instants with all their digits: negative if the first is earlier. Returns 0 if they are equal or
 * if one of them is no instant.
 */
export const compareInstants = (one: string, other: string): number => {
  const millis = Date.parse(one) - Date.parse(other)
  if (Number.isNaN(millis)) return 0
  if (millis !== 0) return millis
  const [left, right] = [belowMillis(one), belowMillis(other)]
  return left === right ? 0 : left < right ? -1 : 1
}
