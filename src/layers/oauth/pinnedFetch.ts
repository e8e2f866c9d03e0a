import { lookup } from "node:dns/promises"
import type { IncomingMessage } from "node:http"
import { request } from "node:https"
import { Data, Effect } from "effect"
import { isPublicAddress } from "../../domain/PublicAddress.ts"

/** Why a document was not read. For the log: it says what to look for and holds nothing of the answer. */
export class NotRead extends Data.TaggedError("NotRead")<{ readonly because: string }> {}

/** How names become addresses and which of them may be asked; another one in tests. */
export interface Net {
  readonly resolve: (host: string) => Promise<ReadonlyArray<string>>
  readonly mayAsk: (address: string) => boolean
  /** Certificates to trust instead of the usual ones. */
  readonly ca?: string
}

export const publicNet: Net = {
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  mayAsk: isPublicAddress
}

export const limits = { bytes: 5 * 1024, millis: 5000 } as const

/** Addresses of a host that are tried. */
const mostTried = 3

/**
 * GETs a JSON document over HTTPS, from an address that was looked at before: the name is resolved once, every
 * address that it stands for must be one that may be asked, and the connection goes to one of these, so that no
 * second resolution can lead elsewhere (DNS rebinding). The certificate is still held against the name. Redirects
 * are not followed; whatever is longer than 5 KB or takes more than 5 seconds is given up.
 */
export const fetchPinned = (url: URL, net: Net): Effect.Effect<string, NotRead> =>
  Effect.gen(function* () {
    const addresses = yield* Effect.tryPromise({
      try: () => net.resolve(url.hostname),
      catch: () => new NotRead({ because: "its name could not be resolved" })
    })
    if (addresses.length === 0) return yield* new NotRead({ because: "its name has no address" })
    if (!addresses.every(net.mayAsk)) {
      return yield* new NotRead({ because: "its name leads to an address that is not public" })
    }
    // IPv4 first: many networks have no way out over IPv6, and there is little time to find that out.
    const order = addresses.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":")))
    return yield* Effect.firstSuccessOf(order.slice(0, mostTried).map((address) => get(url, address, net.ca)))
  }).pipe(
    Effect.timeoutOrElse({
      duration: limits.millis,
      orElse: () => Effect.fail(new NotRead({ because: `it took more than ${limits.millis / 1000} seconds` }))
    })
  )

const get = (url: URL, address: string, ca: string | undefined): Effect.Effect<string, NotRead> =>
  Effect.callback<string, NotRead>((resume) => {
    const fail = (because: string) => {
      resume(Effect.fail(new NotRead({ because })))
      outgoing.destroy()
    }
    const outgoing = request({
      host: address,
      // What the certificate is held against (RFC 6066 section 3), not the address.
      servername: url.hostname,
      port: url.port === "" ? 443 : Number(url.port),
      path: url.pathname,
      agent: false,
      maxHeaderSize: 16 * 1024,
      headers: { host: url.host, accept: "application/json", "accept-encoding": "identity" },
      ...(ca === undefined ? {} : { ca })
    })
    outgoing.on("response", (response) => {
      const refusal = refusalOf(response)
      if (refusal !== undefined) return fail(refusal)
      const chunks: Array<Buffer> = []
      let bytes = 0
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > limits.bytes) fail(`it is longer than ${limits.bytes} bytes`)
        else chunks.push(chunk)
      })
      response.on("end", () => resume(Effect.succeed(Buffer.concat(chunks).toString("utf8"))))
      response.on("error", () => fail("its answer broke off"))
    })
    outgoing.on("error", () => fail("no connection with its host could be made"))
    outgoing.end()
    return Effect.sync(() => outgoing.destroy())
  })

const json = /^application\/(?:[a-z0-9.+-]+\+)?json[ \t]*(?:;|$)/i

const refusalOf = ({ headers, statusCode }: IncomingMessage): string | undefined => {
  if (statusCode !== 200) return `its host answered ${statusCode}`
  if (!json.test(headers["content-type"] ?? "")) return "it is not JSON"
  return Number(headers["content-length"] ?? 0) > limits.bytes
    ? `it is longer than ${limits.bytes} bytes`
    : undefined
}
