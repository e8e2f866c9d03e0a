import { stripInvisible } from "../text/PlainText.ts"

/** A program that asks for a login. All are public clients: none has a secret that would prove who it is. */
export interface OAuthClient {
  /** Made by us where it registered itself (RFC 7591), else the address of its metadata document. */
  readonly id: string
  /** What it calls itself, as it was sent; null where it does not. */
  readonly name: string | null
  readonly redirectUris: ReadonlyArray<string>
  /** The host whose document says so; null where it registered itself, and nobody does. */
  readonly vouchedBy: string | null
  /** The address from which it registered itself. */
  readonly address: string | null
}

export const longestClientName = 128

/** What a login is called in lists and in the trail: one line, all of it visible. */
export const loginName = ({ name, vouchedBy }: Pick<OAuthClient, "name" | "vouchedBy">): string => {
  const line = stripInvisible(name ?? "")
    .replace(/\s+/gu, " ")
    .trim()
  const shown = [...line].slice(0, longestClientName).join("").trim()
  return shown === "" ? (vouchedBy ?? "a program without a name").slice(0, longestClientName) : shown
}
