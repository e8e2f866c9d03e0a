import { crc32 } from "node:zlib"

/**
 * How tokens of ours are spelled, and how they are found in a text. Apart from `Token.ts`, so that a worker that
 * looks through texts loads nothing else.
 */

export type TokenKind = "agent" | "access" | "refresh"

export const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
export const secretLength = 43
export const checksumLength = 6

/** Every prefix under which the gateway issues secrets. */
export const prefixes: Readonly<Record<TokenKind, string>> = {
  agent: "ndcat_",
  access: "ndcao_",
  refresh: "ndcar_"
}

export const base62 = (value: bigint, length: number): string => {
  let rest = value
  let text = ""
  for (let i = 0; i < length; i++) {
    text = alphabet[Number(rest % 62n)] + text
    rest /= 62n
  }
  return text
}

export const checksum = (text: string): string => base62(BigInt(crc32(text)), checksumLength)

const candidate = new RegExp(
  `(?:${Object.values(prefixes).join("|")})[0-9A-Za-z]{${secretLength + checksumLength}}`,
  "g"
)

/**
 * Whether a text holds a secret of ours, wherever in it. Every place where a prefix stands is tried,
 * so that one candidate cannot hide another that begins inside it.
 */
export const holdsSecret = (text: string): boolean => {
  if (!text.includes("ndc")) return false
  candidate.lastIndex = 0
  for (let match = candidate.exec(text); match !== null; match = candidate.exec(text)) {
    const body = match[0].slice(0, -checksumLength)
    if (checksum(body) === match[0].slice(-checksumLength)) return true
    candidate.lastIndex = match.index + 1
  }
  return false
}

/** The last line of defence: a text without what looks like a secret of ours, with a good checksum or without. */
export const withoutSecrets = (text: string): string =>
  text.includes("ndc") ? text.replace(candidate, "[secret]") : text
