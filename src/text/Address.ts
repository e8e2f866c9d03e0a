import { domainToASCII, domainToUnicode } from "node:url"
import { defuseName } from "./DefusedName.ts"

/**
 * Addresses of links: ASCII in HTML, since a Tasker percent-encodes whatever else it is sent, and in the
 * reader's own letters in Markdown. `webOrMail(readableAddress(a)) === a` for every `a` that `webOrMail` gives.
 */

/** CommonMark 6.5, and the underscores in a domain that GFM's bare addresses may have, percent-encoded:
 * `<a@b_c.d>` would be no link. */
const mailAddress =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[a-z0-9]|%5F)(?:[a-z0-9-]|%5F)*(?:\.(?:[a-z0-9]|%5F)(?:[a-z0-9-]|%5F)*)*(?:\?\S*)?$/i

/** A `%` that starts no byte, and what of ASCII RFC 3986 keeps out of an address. */
const unsafeInAddress = /%(?![0-9A-Fa-f]{2})|[\s"<>\\^`{|}]/g
const beyondAscii = /[^!-~]+/g

const webAddress = /^(https?:\/\/)([^/?#]+)(.*)$/is

/** The address of a link to the web or to a mailbox, as an ASCII URI. Bytes that are encoded stay as they are. */
export const webOrMail = (url: string): string | undefined => {
  const web = webAddress.exec(url.replace(unsafeInAddress, encodeURIComponent))
  if (web !== null) {
    const [, scheme = "", authority = "", rest = ""] = web
    return `${scheme.toLowerCase()}${withHost(authority, asciiHost)}${ascii(rest)}`
  }
  if (!/^mailto:/i.test(url)) return undefined
  const mail = withoutUnderscores(url.slice("mailto:".length))
  if (!mailAddress.test(mail)) return undefined
  const query = mail.indexOf("?", mail.indexOf("@"))
  const end = query === -1 ? mail.length : query
  return `mailto:${mail.slice(0, end)}${ascii(mail.slice(end).replace(unsafeInAddress, encodeURIComponent))}`
}

/**
 * An address of `webOrMail` with the letters, digits and pictures of any script written out. What can't be
 * seen, or would part or close an address in Markdown, stays percent-encoded; a host that may be taken for
 * another one stays in punycode.
 */
export const readableAddress = (address: string): string => {
  const web = webAddress.exec(address)
  if (web === null) return address.replace(encodedRun, readableRun)
  const [, scheme = "", authority = "", rest = ""] = web
  return `${scheme}${withHost(authority, readableHost)}${rest.replace(encodedRun, readableRun)}`
}

/**
 * The form in which two spellings of one address are equal: scheme, host, port and the path of a bare host as
 * the URL standard writes them, percent-encoded bytes decoded except for those that would change the
 * address's parts.
 */
export const comparableAddress = (address: string): string =>
  (URL.parse(address)?.href ?? address).replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    run
      .toUpperCase()
      .replace(encodedCharacter, (encoded) => decoded(encoded) ?? encoded)
      .replace(encodedPunctuation, decodeURIComponent)
  )

const ascii = (text: string): string => text.replace(beyondAscii, encodeURIComponent)

/** The underscores after an `@`, up to the query. */
const withoutUnderscores = (url: string): string =>
  url
    .split("?")
    .map((part) => {
      const at = part.indexOf("@")
      return at === -1 ? part : part.slice(0, at) + part.slice(at).replaceAll("_", "%5F")
    })
    .join("?")

/** An authority (RFC 3986 3.2) with its host rewritten. */
const withHost = (authority: string, rewrite: (host: string) => string): string => {
  const start = authority.lastIndexOf("@") + 1
  const port = /:\d*$/.exec(authority.slice(start))?.[0] ?? ""
  const host = authority.slice(start, authority.length - port.length)
  return `${ascii(authority.slice(0, start))}${rewrite(host)}${port}`
}

const asciiHost = (host: string): string => {
  if (ascii(host) === host) return host
  // The URL standard decodes a host's bytes first, which could bring back what was just encoded.
  return (host.includes("%") ? "" : domainToASCII(host)) || ascii(host)
}

const readableHost = (host: string): string => {
  if (!/(?:^|\.)xn--/.test(host)) return host
  const shown = domainToUnicode(host)
  const isPlain = shown.split(".").every((label) => defuseName(label).marks.length === 0)
  return isPlain && webAddress.test(`http://${shown}`) && asciiHost(shown) === host ? shown : host
}

/** A character beyond ASCII in UTF-8, spelled as `encodeURIComponent` does. */
const encodedCharacter =
  /%[CD][0-9A-F]%[89AB][0-9A-F]|%E[0-9A-F](?:%[89AB][0-9A-F]){2}|%F[0-4](?:%[89AB][0-9A-F]){3}/g
const encodedRun = new RegExp(`(?:${encodedCharacter.source})+`, "g")

/** What of ASCII can't part an address: all but `#%&+,/:;=?@`, controls and space. */
const encodedPunctuation = /%(?:2[124789ADE]|3[0-9CE]|4[1-9A-F]|5[0-9A-F]|6[0-9A-F]|7[0-9A-E])/g

const readable = /^(?![\p{Default_Ignorable_Code_Point}\u2800])[\p{L}\p{N}\p{Pd}\p{So}]$/u
/** A mark by itself would sit on the sign before it. */
const combining = /^(?!\p{Default_Ignorable_Code_Point})\p{M}$/u

const readableRun = (run: string): string => {
  let isAfterReadable = false
  return run.replace(encodedCharacter, (encoded) => {
    const character = decoded(encoded) ?? ""
    isAfterReadable = readable.test(character) || (isAfterReadable && combining.test(character))
    return isAfterReadable ? character : encoded
  })
}

/** Undefined for an overlong form or a surrogate, which are no UTF-8. */
const decoded = (encoded: string): string | undefined => {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}
