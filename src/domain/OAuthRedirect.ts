/**
 * Where an authorization code may be sent: to a program on the reader's own machine, over plain HTTP at a
 * loopback address on any port (RFC 8252 sections 7.3 and 8.3), or over HTTPS to a host that the operator named.
 * So a link that a stranger sends can never carry a code to the stranger's machine.
 *
 * `localhost` is let in beside the addresses, which RFC 8252 prefers: Claude Code and others register it, and
 * browsers take it to the machine itself, whatever a resolver says (RFC 6761 section 6.3). It stays a name of its
 * own: a client that registered 127.0.0.1 is not answered at localhost.
 */

/** Read by this alone, so that no two parsers disagree: no userinfo, no fragment, nothing percent-encoded. */
const form =
  /^(https?):\/\/(\[::1\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::([1-9]\d{0,4}))?((?:\/[A-Za-z0-9._~!$&'()*+,;=:-]*)*)(\?[A-Za-z0-9._~!$&'()*+,;=:/-]*)?$/

const longest = 512

const loopback: ReadonlySet<string> = new Set(["127.0.0.1", "[::1]", "localhost"])

interface Parts {
  readonly secure: boolean
  readonly host: string
  readonly port: string | undefined
  /** Path and query. */
  readonly rest: string
}

const parts = (uri: string): Parts | undefined => {
  const match = uri.length > longest ? null : form.exec(uri)
  if (match === null) return undefined
  const [, scheme, host = "", port, path = "", query = ""] = match
  const isDotted = path.split("/").some((segment) => segment === "." || segment === "..")
  if (isDotted || Number(port ?? 0) > 65_535) return undefined
  return { secure: scheme === "https", host, port, rest: path + query }
}

const isLoopback = ({ host, secure }: Parts): boolean => !secure && loopback.has(host)

/** Whether a code may be sent there at all, whoever registered it. `hosts` are those that the operator named. */
export const mayRedirectTo = (uri: string, hosts: ReadonlyArray<string>): boolean => {
  const found = parts(uri)
  if (found === undefined) return false
  if (isLoopback(found)) return true
  const { host, port, secure } = found
  const named = port === undefined || port === "443" ? [host, `${host}:443`] : [`${host}:${port}`]
  return secure && !loopback.has(host) && named.some((name) => hosts.includes(name))
}

/** Whether what is asked is what was registered: the same to the letter, but for the port of a loopback address. */
export const isRegistered = (asked: string, registered: ReadonlyArray<string>): boolean =>
  registered.some((uri) => {
    if (uri === asked) return true
    const [one, other] = [parts(uri), parts(asked)]
    return (
      one !== undefined &&
      other !== undefined &&
      isLoopback(one) &&
      isLoopback(other) &&
      one.host === other.host &&
      one.rest === other.rest
    )
  })

/** The address with parameters added to its query (RFC 6749 section 4.1.2: what stands there already stays). */
export const withParameters = (
  uri: string,
  parameters: Readonly<Record<string, string | undefined>>
): string => {
  const added = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) added.append(name, value)
  // Some programs show what comes here as it stands: a space reads better than a plus, and is one for all.
  return `${uri}${uri.includes("?") ? "&" : "?"}${String(added).replaceAll("+", "%20")}`
}
